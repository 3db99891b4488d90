package bus

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

// lookForSuppliers is how often is looked for suppliers that have chunks again.
const lookForSuppliers = 100 * time.Millisecond

// ConsumeChunks hands chunks to the handler, one by one, until the context ends, and returns after
// the units in hand are finished. Suppliers are served in turn (invariant 6): each that has
// chunks waiting has one of them in line for the next free worker, whatever others have.
//
// Each has a consumer of its own. It is made when there are chunks for it, by whoever sees them first, so
// none are missed, and read for as long as there are any. So besides those that are worked on,
// one chunk of each supplier that has some is in memory. Stream, Consumer, Admit and More do not
// count here.
func (b *Bus) ConsumeChunks(ctx context.Context, opts ConsumeOptions, handle Handler) {
	opts.Stream = fhirmsg.StreamChunks
	unit, cancel := lifecycle.Unit(ctx, opts.Grace)
	defer cancel()
	newTurns(unit, b, opts, handle).run(ctx)
}

// turns are the suppliers whose chunks are consumed.
type turns struct {
	bus    *Bus
	opts   ConsumeOptions
	handle Handler
	unit   context.Context //nolint:containedctx // of the units in hand, which outlive the first signal
	idle   time.Duration   // how long one request for a message waits at the server
	slots  *semaphore.Weighted

	mu      sync.Mutex
	waiting map[string]uint64 // chunks by subject, at the last look
	served  map[string]bool   // subjects
	wg      sync.WaitGroup
}

func newTurns(unit context.Context, b *Bus, opts ConsumeOptions, handle Handler) *turns {
	return &turns{
		bus: b, opts: opts, handle: handle, unit: unit, idle: idleWait,
		slots: semaphore.NewWeighted(int64(max(opts.Workers, 1))), served: map[string]bool{},
	}
}

// run looks for suppliers until the context ends.
func (t *turns) run(ctx context.Context) {
	defer t.wg.Wait()
	ticker := time.NewTicker(lookForSuppliers)
	defer ticker.Stop()
	for failures := 0; ctx.Err() == nil; {
		if err := t.look(ctx); err != nil && ctx.Err() == nil {
			if failures++; failures == 3 {
				t.bus.log.Warn().Err(err).Msg("cannot look for chunks, trying again")
			}
			_ = backOff(ctx, failures) // its error is the loop's condition
			continue
		}
		failures = 0
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// look begins to serve suppliers that have chunks and are not served.
func (t *turns) look(ctx context.Context) error {
	waiting, err := t.bus.Subjects(ctx, fhirmsg.StreamChunks, fhirmsg.ChunkSubject("*"))
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = waiting
	for subject := range t.waiting {
		if t.served[subject] {
			continue
		}
		t.served[subject] = true
		t.wg.Go(func() { t.serve(ctx, subject) })
	}
	return nil
}

// over reports that a supplier has nothing any more, and ends its being served.
func (t *turns) over(subject string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[subject] > 0 {
		return false
	}
	delete(t.served, subject)
	return true
}

// serve works on one supplier's chunks for as long as there are some. Its next chunk is asked for when the
// one before has its worker: so it has one in line, and the line is in the order of arrival.
func (t *turns) serve(ctx context.Context, subject string) {
	var units sync.WaitGroup
	defer units.Wait()
	var consumer jetstream.Consumer
	for failures := 0; ctx.Err() == nil; {
		var msg jetstream.Msg
		var err error
		if consumer == nil {
			consumer, err = t.consumer(ctx, subject)
		}
		if err == nil {
			msg, err = next(ctx, consumer, t.idle)
		}
		switch {
		case err != nil:
			consumer = nil // it may be gone; it is made again
			if failures++; failures == 3 && ctx.Err() == nil {
				t.bus.log.Warn().Err(err).Str("subject", subject).Msg("cannot read the queue, trying again")
			}
			_ = backOff(ctx, failures) // its error is the loop's condition
		case msg == nil:
			if t.over(subject) {
				return
			}
			if err := t.bus.recall(ctx, consumer); err != nil {
				consumer = nil
			}
		default:
			failures = 0
			t.begin(ctx, &units, msg)
		}
	}
}

func (t *turns) consumer(ctx context.Context, subject string) (jetstream.Consumer, error) {
	c := fhirmsg.SupplierConsumer(subject[len(fhirmsg.ChunkSubject("")):])
	return t.bus.js.CreateOrUpdateConsumer(ctx, c.Stream, consumerConfig(c))
}

// begin waits for a worker, with the chunk in hand, and has it work on the chunk.
func (t *turns) begin(ctx context.Context, units *sync.WaitGroup, msg jetstream.Msg) {
	group := []jetstream.Msg{msg}
	if !t.slots.TryAcquire(1) { // which fails too where others wait
		stop := holdInHand(group)
		err := t.slots.Acquire(ctx, 1)
		stop()
		if err != nil {
			each(group, jetstream.Msg.Nak)
			return
		}
	}
	units.Go(func() {
		defer t.slots.Release(1)
		defer holdInHand(group)()
		t.bus.process(ctx, t.unit, t.opts, group, t.handle)
	})
}
