package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

// Config is what users set. Every setting works when absent.
type Config struct {
	StreamBytes int64         `env:"STREAM_BYTES" envDefault:"268435456" doc:"size of the stream DELIVER in bytes: what suppliers may have published that was not fetched yet"`
	ImportBytes int64         `env:"IMPORT_BYTES" envDefault:"33554432" doc:"bytes of messages on stoker.deliver.<supplier>, as published, that make one import; a delivery that has more is several imports"`
	ImportTime  time.Duration `env:"IMPORT_TIME" envDefault:"5s" doc:"how long messages that name no delivery are gathered for one import"`
	Idle        time.Duration `env:"IDLE" envDefault:"10m" doc:"how long after its last message a delivery that was not ended becomes an import"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.StreamBytes < 1 || c.ImportBytes < 1 || c.ImportTime <= 0 || c.Idle <= 0 {
		return errors.New("sizes and times of deliveries must be more than 0")
	}
	if c.ImportBytes > c.StreamBytes/2 {
		return errors.New("the stream of deliveries must have room for two imports")
	}
	return nil
}

const (
	// maxMessages is how many messages make one import, however small they are.
	maxMessages = 10_000
	// maxOpen is how many deliveries of a supplier may be open. The oldest is closed for another one.
	maxOpen = 64
	// maxRequested is how many imports of a supplier are asked for and not fetched yet.
	maxRequested = 8

	// askAgain is how long an import that was asked for may take to be accepted. In that time JetStream has forgotten the
	// request's id, so that another one is stored.
	askAgain = 3 * time.Minute

	// atOnce is how many messages are gathered in one transaction.
	atOnce = 1000
	// wait is how long the next message is waited for, before what else there is to do is done.
	wait = 250 * time.Millisecond
	// requestTime is how long the queue may take for a request.
	requestTime = 10 * time.Second
	// standBy is how often another gatherer looks whether the right to gather is free.
	standBy = 5 * time.Second
)

// Gatherer gathers.
type Gatherer struct {
	Config
	Bus    *bus.Bus
	Ledger *ledger.Ledger
	Log    zerolog.Logger
	// Request asks for an import. The same request again changes nothing.
	Request func(ctx context.Context, req fhirmsg.ImportRequest) error
}

// Run gathers, while no other one does, until the context ends.
func (g *Gatherer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := lifecycle.Retry(ctx, g.Log, "gather what was delivered over NATS", g.gather)
		if err != nil {
			break // the context's
		}
		timer := time.NewTimer(standBy)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// gather gathers until something fails, or the context ends. Where another one does, it returns at once.
func (g *Gatherer) gather(ctx context.Context) error {
	made, err := g.Bus.Made(ctx, fhirmsg.StreamDeliver)
	if err != nil {
		return err
	}
	right, lost, err := g.Ledger.BeginGathering(ctx, made)
	if err != nil || right == nil {
		return err
	}
	defer right.End(ctx)
	if lost > 0 {
		g.Log.Error().Int64("deliveries", lost).Msg("the stream DELIVER was made anew; deliveries that it held are lost")
	}
	h := newHeap(g.Config, made, right.Deliveries, time.Now)
	follower, err := g.Bus.Follow(ctx, fhirmsg.StreamDeliver, "", right.Position+1, true)
	if err != nil {
		return err
	}
	defer follower.Close()
	position := right.Position
	var forgotten time.Time
	for ctx.Err() == nil {
		read, err := g.read(ctx, follower, h, position)
		if err != nil {
			return err
		}
		h.closeOld()
		if changed := h.changed(); read != position || len(changed) > 0 {
			if err := right.Store(ctx, read, changed); err != nil {
				return err
			}
			position = read
		}
		if err := g.request(ctx, right, h, position); err != nil {
			return err
		}
		if time.Since(forgotten) > time.Second {
			if err := g.purge(ctx, right, h, position); err != nil {
				return err
			}
			forgotten = time.Now()
		}
	}
	return nil
}

// read puts messages on the heap, some or those of a moment, and returns how far it came.
func (g *Gatherer) read(ctx context.Context, follower *bus.Follower, h *heap, position uint64) (uint64, error) {
	for begun, n := time.Now(), 0; n < atOnce && time.Since(begun) < wait; n++ {
		msg, err := follower.Next(ctx, wait)
		if err != nil || msg == nil {
			return position, ignoreEnd(ctx, err)
		}
		supplier, why, err := g.whose(ctx, follower, msg)
		if err != nil {
			return position, ignoreEnd(ctx, err)
		}
		position = msg.Sequence
		if why != "" {
			g.Log.Warn().Uint64("sequence", msg.Sequence).Msg(why + " was published on stoker.deliver, and is dropped")
			continue
		}
		_, end := msg.Header[fhirmsg.HeaderEnd]
		h.put(supplier, fhirmsg.DeliveryName(msg.Header.Get(fhirmsg.HeaderDelivery)), msg.Sequence, msg.Bytes, end)
	}
	return position, nil
}

// whose is the supplier of a message; why says what it is instead, if it is none's.
func (g *Gatherer) whose(ctx context.Context, follower *bus.Follower, msg *bus.Delivered) (supplier, why string, err error) {
	supplier = strings.TrimPrefix(msg.Subject, fhirmsg.DeliverSubject(""))
	if fhirmsg.CheckName(supplier) != nil {
		return "", "a message of no supplier", nil
	}
	if isBare(msg.Header) {
		payload, err := follower.Payload(ctx, msg.Sequence)
		if err != nil {
			return "", "", err
		}
		if isAnswer(payload) {
			return "", "an answer of JetStream", nil
		}
	}
	return supplier, "", nil
}

// ignoreEnd is nil once the context has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// request asks for the imports of closed deliveries. A supplier with many of them has no more than a few in the queue of
// requests, so that it does not fill it.
func (g *Gatherer) request(ctx context.Context, right *ledger.Gathering, h *heap, position uint64) error {
	if ids := h.unaccepted(); len(ids) > 0 {
		accepted, err := g.Ledger.States(ctx, ids)
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		h.accept(slices.Collect(maps.Keys(accepted)))
	}
	for _, d := range h.due() {
		publishing, cancel := context.WithTimeout(ctx, requestTime)
		err := g.Request(publishing, fhirmsg.ImportRequest{ID: d.Import, Supplier: d.Supplier, Sources: []fhirmsg.Source{{Delivered: h.source(d)}}})
		cancel()
		if err != nil {
			return ignoreEnd(ctx, fmt.Errorf("ask for an import: %w", err))
		}
		d.Requested, d.asked = true, h.now()
		if err := right.Store(ctx, position, []ledger.Delivery{d.Delivery}); err != nil {
			return err
		}
	}
	return nil
}

// purge removes the messages that nobody needs any more.
func (g *Gatherer) purge(ctx context.Context, right *ledger.Gathering, h *heap, position uint64) error {
	if len(h.list) > 0 {
		first, err := right.Forget(ctx)
		if err != nil {
			return err
		}
		h.forget(first)
	}
	subjects, err := g.Bus.Subjects(ctx, fhirmsg.StreamDeliver, fhirmsg.DeliverSubject("*"))
	if err != nil {
		return err
	}
	for subject := range subjects {
		// Invariant 1: only what is below all that is still to be fetched.
		floor := h.floor(strings.TrimPrefix(subject, fhirmsg.DeliverSubject("")), position+1)
		if floor == h.purged[subject] {
			continue
		}
		if err := g.Bus.PurgeBelow(ctx, fhirmsg.StreamDeliver, subject, floor); err != nil {
			return err
		}
		h.purged[subject] = floor
	}
	return nil
}
