package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

// Message is what a handler sees.
type Message struct {
	Subject  string
	Sequence uint64 // in the stream
	Delivery uint64 // how often it was delivered, this time included
	Data     []byte
}

// Handler processes messages together. nil acknowledges all of them; after an error made by [Permanent] each is processed by
// itself, and goes to the dead letter stream if the error is its own; one by [Later] hands them back; any other error is tried again.
// Its context outlives the first signal, so that the unit in hand can be finished.
type Handler func(ctx context.Context, messages []Message) error

// permanentError marks an error that no retry mends.
type permanentError struct{ err error }

func (e permanentError) Error() string { return e.err.Error() }
func (e permanentError) Unwrap() error { return e.err }

// Permanent marks err as one that no retry mends. It must hold nothing of the content.
func Permanent(err error) error { return permanentError{err} }

// IsPermanent reports whether no retry mends an error.
func IsPermanent(err error) bool {
	permanent := permanentError{}
	return errors.As(err, &permanent)
}

// laterError is not an error but a wish.
type laterError struct {
	why   string
	delay time.Duration
}

func (e laterError) Error() string { return e.why }

// Later is what a handler returns that wants the messages to be delivered again after a delay,
// while others pass: unlike those that are tried again, they are not held meanwhile.
func Later(why string, delay time.Duration) error { return laterError{why, delay} }

// Delay is after how long the messages of a handler's error are to be delivered again; ok is that it is one by [Later].
func Delay(err error) (delay time.Duration, ok bool) {
	later := laterError{}
	ok = errors.As(err, &later)
	return later.delay, ok
}

// ConsumeOptions say how a consumer is read.
type ConsumeOptions struct {
	Stream   string
	Consumer string
	Workers  int // groups of messages in hand at once; at least 1
	// Admit is called with one message in hand, and waits until there is room to work on it.
	// It bounds the work of all consumers together. nil: there is room.
	Admit func(context.Context) (release func(), err error)
	// More says how many messages may join the group that begins with first. nil: none.
	More func(first Message) int
	// Grace is how long the units in hand may go on after the context ended.
	Grace time.Duration
	// OnRetry is called for every retry, for metrics. It may be nil.
	OnRetry func(error)
}

// idleWait is how long one request for a message waits at the server.
const idleWait = 20 * time.Second

// Consume hands messages to the handler until the context ends, and returns after the
// units in hand are finished. It pulls only what it hands over at once, so that no
// message lies in memory while its time runs out at the server.
func (b *Bus) Consume(ctx context.Context, opts ConsumeOptions, handle Handler) {
	unit, cancel := lifecycle.Unit(ctx, opts.Grace)
	defer cancel()

	var wg sync.WaitGroup
	defer wg.Wait()
	workers := make(chan struct{}, max(opts.Workers, 1))
	var consumer jetstream.Consumer
	for failures := 0; ctx.Err() == nil; {
		workers <- struct{}{}
		var first jetstream.Msg
		var err error
		if consumer == nil {
			consumer, err = b.js.Consumer(ctx, opts.Stream, opts.Consumer)
		}
		if err == nil {
			first, err = next(ctx, consumer, idleWait)
		}
		if err == nil && first != nil {
			failures = 0
			queue := consumer
			wg.Go(func() {
				defer func() { <-workers }()
				b.work(ctx, unit, opts, queue, first, handle)
			})
			continue
		}
		if err == nil && isQueue(opts.Stream) {
			err = b.recall(ctx, consumer)
		}
		<-workers
		if err == nil || ctx.Err() != nil {
			continue
		}
		consumer = nil // it may have been made anew; look it up again
		failures++
		if failures == 3 {
			b.log.Warn().Err(err).Str("consumer", opts.Consumer).Msg("cannot read the queue, trying again")
		}
		_ = backOff(ctx, failures) // its error is the loop's condition
	}
}

// next waits for a message, for so long. None and no error is idleness.
func next(ctx context.Context, consumer jetstream.Consumer, idle time.Duration) (jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	msg, err := consumer.Next(jetstream.FetchContext(wait))
	if err != nil && (wait.Err() != nil || errors.Is(err, nats.ErrTimeout)) {
		return nil, nil
	}
	return msg, err
}

// work brings a message, and those that may join it, to their end.
func (b *Bus) work(ctx, unit context.Context, opts ConsumeOptions, consumer jetstream.Consumer, first jetstream.Msg, handle Handler) {
	msgs := []jetstream.Msg{first}
	if opts.Admit != nil {
		stop := holdInHand(msgs)
		release, err := opts.Admit(ctx)
		stop()
		if err != nil {
			each(msgs, jetstream.Msg.Nak)
			return
		}
		defer release()
	}
	if opts.More != nil {
		msgs = append(msgs, more(consumer, opts.More(Message{Subject: first.Subject(), Data: first.Data()}))...)
	}
	defer holdInHand(msgs)()
	for _, group := range groups(msgs) {
		b.process(ctx, unit, opts, group, handle)
	}
}

// more takes up to n messages that are waiting. Failing to is no harm.
func more(consumer jetstream.Consumer, n int) (msgs []jetstream.Msg) {
	if n <= 0 {
		return nil
	}
	batch, err := consumer.FetchNoWait(n)
	if err != nil {
		return nil
	}
	for msg := range batch.Messages() {
		msgs = append(msgs, msg)
	}
	return msgs
}

// groups puts messages that were delivered before into groups of their own: one of them
// may be what ended the process that had it. So are those whose payloads are in the object store,
// of which one at a time is in memory (invariant 6).
func groups(msgs []jetstream.Msg) [][]jetstream.Msg {
	var fresh []jetstream.Msg
	var all [][]jetstream.Msg
	for _, msg := range msgs {
		meta, err := msg.Metadata()
		if err == nil && meta.NumDelivered > 1 || msg.Headers().Get(headerObject) != "" {
			all = append(all, []jetstream.Msg{msg})
			continue
		}
		fresh = append(fresh, msg)
	}
	if len(fresh) > 0 {
		all = append(all, fresh)
	}
	return all
}

// process brings one group to its end: acknowledged, dead, or, when the process ends
// first, handed back.
func (b *Bus) process(ctx, unit context.Context, opts ConsumeOptions, group []jetstream.Msg, handle Handler) {
	for attempt := 1; ; attempt++ {
		err := b.attempt(unit, group, handle)
		if err == nil {
			each(group, jetstream.Msg.Ack) // Invariant 1: durable downstream, then ack.
			return
		}
		if delay, ok := Delay(err); ok {
			each(group, func(msg jetstream.Msg) error { return msg.NakWithDelay(delay) })
			return
		}
		if permanent := (permanentError{}); errors.As(err, &permanent) {
			if len(group) > 1 { // Invariant 5: one of them is to blame, and the others are processed.
				for i := range group {
					b.process(ctx, unit, opts, group[i:i+1], handle)
				}
				return
			}
			if err = b.bury(unit, group, opts.Stream, permanent); err == nil {
				each(group, jetstream.Msg.Term)
				return
			}
		}
		if opts.OnRetry != nil {
			opts.OnRetry(err)
		}
		if ctx.Err() == nil && (attempt == 1 || attempt%10 == 0) {
			b.log.Warn().Err(err).Str("consumer", opts.Consumer).Int("attempt", attempt).Msg("holding messages, trying again")
		}
		if backOff(ctx, attempt) != nil {
			each(group, jetstream.Msg.Nak)
			return
		}
	}
}

func (b *Bus) attempt(ctx context.Context, group []jetstream.Msg, handle Handler) error {
	messages := make([]Message, len(group))
	for i, msg := range group {
		data, err := b.payload(ctx, msg)
		if err != nil {
			return err
		}
		messages[i] = Message{Subject: msg.Subject(), Data: data}
		if meta, err := msg.Metadata(); err == nil {
			messages[i].Sequence, messages[i].Delivery = meta.Sequence.Stream, meta.NumDelivered
		}
	}
	return handle(ctx, messages)
}

// each tells JetStream the fate of a group. A lost answer means a redelivery, which is
// harmless, so errors are of no interest.
func each(group []jetstream.Msg, tell func(jetstream.Msg) error) {
	for _, msg := range group {
		_ = tell(msg)
	}
}

// holdInHand tells JetStream until stop is called that the group is being worked on.
func holdInHand(group []jetstream.Msg) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				each(group, jetstream.Msg.InProgress)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
