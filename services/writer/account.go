package writer

import (
	"context"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

// gathered is how many statements or groups of rejects are recorded at once.
const gathered = 100

// recordStatements records what parsers state.
func (w *writer) recordStatements(ctx context.Context) {
	w.deps.Bus.Consume(ctx, bus.ConsumeOptions{
		Stream: fhirmsg.StreamStatements, Consumer: fhirmsg.ConsumerStatements, Workers: 1, Grace: grace,
		More: func(bus.Message) int { return gathered - 1 },
	}, func(ctx context.Context, messages []bus.Message) error {
		statements := make([]fhirmsg.Statement, len(messages))
		for i, msg := range messages {
			var err error
			if statements[i], err = fhirmsg.DecodeStatement(msg.Data); err != nil {
				return bus.Permanent(err)
			}
		}
		defer w.settleSoon()
		return w.ledger.RecordParsed(ctx, statements)
	})
}

// recordRejects records what parsers could not take.
func (w *writer) recordRejects(ctx context.Context) {
	w.deps.Bus.Consume(ctx, bus.ConsumeOptions{
		Stream: fhirmsg.StreamRejects, Consumer: fhirmsg.ConsumerRejects, Workers: 1, Grace: grace,
	}, func(ctx context.Context, messages []bus.Message) error {
		groups := make([]fhirmsg.Rejects, len(messages))
		for i, msg := range messages {
			var err error
			if groups[i], err = fhirmsg.DecodeRejects(msg.Data); err != nil {
				return bus.Permanent(err)
			}
		}
		defer w.settleSoon()
		return w.ledger.RecordRejects(ctx, groups)
	})
}

// The least and most time between two sweeps. A sweep that takes long, since imports are large, is followed by a longer pause.
const (
	sweepEvery = 300 * time.Millisecond
	sweepSoon  = 10 * time.Millisecond // where there is nothing else to do
	sweepMost  = 5 * time.Second
)

// sweep settles imports that are at their end, and publishes the states of those that changed: from time to time, and when the last
// transaction in hand has ended, which may have been an import's last.
func (w *writer) sweep(ctx context.Context) {
	sweeper := w.ledger.NewSweeper()
	for ctx.Err() == nil {
		start := time.Now()
		if err := sweeper.Sweep(ctx); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot settle imports, trying again")
		}
		if err := w.publishImports(ctx); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot publish the states of imports, trying again")
		}
		w.awaitSweep(ctx, time.Since(start))
	}
}

// awaitSweep waits until the next sweep is due, after one that took so long.
func (w *writer) awaitSweep(ctx context.Context, took time.Duration) {
	late := time.After(lifecycle.Rest(took, sweepEvery, sweepMost))
	select {
	case <-ctx.Done():
		return
	case <-time.After(lifecycle.Rest(took, sweepSoon, sweepMost)):
	}
	select {
	case <-ctx.Done():
	case <-late:
	case <-w.idle:
	}
}

// settleSoon has a sweep begin if no transaction is in hand.
func (w *writer) settleSoon() {
	if w.inHand.Load() > 0 {
		return
	}
	select {
	case w.idle <- struct{}{}:
	default: // it will
	}
}

// publishFor is how long the states of imports may take to be published before settling goes on.
const publishFor = 10 * time.Second

func (w *writer) publishImports(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishFor)
	defer cancel()
	return w.journal.Imports(ctx)
}
