package writer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// replayEvery is how often the writers look for replays, and how far those have come.
const replayEvery = time.Second

// reading is a consumer of a replay that this process reads.
type reading struct {
	stop context.CancelFunc
	done chan struct{}
}

func (r reading) end() {
	r.stop()
	<-r.done
}

// replays works on all running replays, beside the other writers: they share the consumers.
// What is left of a replay is in its consumers and statements, so any process can go on.
func (w *writer) replays(ctx context.Context) {
	readings := map[string]reading{} // by name of the consumer
	defer func() {
		for _, r := range readings {
			r.stop()
		}
		for _, r := range readings {
			<-r.done
		}
	}()
	for open := map[fhirmsg.ImportID]bool(nil); ; {
		now, err := w.followReplays(ctx, readings, open)
		if err == nil {
			open = now
		} else if ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot follow replays, trying again")
		}
		timer := time.NewTimer(replayEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// followReplays begins and ends readings as the ledger says, and returns which replays are
// open; before is which were when it was called last, nil at the beginning.
func (w *writer) followReplays(ctx context.Context, readings map[string]reading, before map[fhirmsg.ImportID]bool) (open map[fhirmsg.ImportID]bool, err error) {
	replays, err := w.ledger.OpenReplays(ctx)
	if err != nil {
		return nil, err
	}
	open = map[fhirmsg.ImportID]bool{}
	wanted := map[string]bool{}
	for _, r := range replays {
		open[r.ID] = true
		if r.State != ledger.ReplayRunning {
			continue
		}
		left, err := w.followReplay(ctx, r, readings)
		if err != nil {
			return nil, err
		}
		for _, name := range left {
			wanted[name] = true
		}
		if len(left) == 0 {
			if err := w.ledger.SettleReplay(ctx, r.ID); err != nil {
				return nil, err
			}
		}
	}
	for name, r := range readings {
		if !wanted[name] {
			r.end()
			delete(readings, name)
		}
	}
	ended := before == nil
	for id := range before {
		ended = ended || !open[id]
	}
	if ended {
		return open, w.closeReplays(ctx)
	}
	return open, nil
}

// followReplay reads the types of a replay that are not at their end, and returns the names of
// their consumers.
func (w *writer) followReplay(ctx context.Context, r ledger.Replay, readings map[string]reading) (left []string, err error) {
	for _, t := range r.Types {
		if t.Messages == 0 {
			continue
		}
		part := bus.Replay{ID: r.ID, Dataset: r.Dataset, Type: t.Type, First: t.First}
		progress, err := w.deps.Bus.OpenReplay(ctx, part)
		if err != nil {
			return nil, err
		}
		if progress.Idle || progress.Floor >= t.Last {
			continue
		}
		name := part.Consumer()
		left = append(left, name)
		if _, ok := readings[name]; !ok {
			readings[name] = w.readReplay(ctx, name, r, t)
		}
	}
	return left, nil
}

// closeReplays removes the consumers of replays that ended, whoever ended them.
func (w *writer) closeReplays(ctx context.Context) error {
	names, err := w.deps.Bus.ReplayConsumers(ctx) // before the replays: none is made before its replay's row
	if err != nil || len(names) == 0 {
		return err
	}
	open, err := w.ledger.OpenReplays(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		needed := false
		for _, r := range open {
			needed = needed || strings.HasPrefix(name, fhirmsg.ReplayConsumer(r.ID, ""))
		}
		if !needed {
			if err := w.deps.Bus.CloseReplay(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// readReplay begins to read one type of a replay. It shares the transactions at once, and so the
// memory, with what is stored for the first time (invariant 6).
func (w *writer) readReplay(ctx context.Context, name string, r ledger.Replay, t ledger.ReplayType) reading {
	ctx, stop := context.WithCancel(ctx)
	reading := reading{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(reading.done)
		w.deps.Bus.Consume(ctx, bus.ConsumeOptions{
			Stream: fhirmsg.StreamResources, Consumer: name, Workers: w.cfg.Transactions,
			Admit: w.admit, More: w.more, Grace: grace, OnRetry: func(error) { w.deps.Metrics.Retry() },
		}, func(ctx context.Context, messages []bus.Message) error { return w.replayBatches(ctx, r, t, messages) })
	}()
	return reading
}

// replayBatches writes messages of a replay again. Those behind its end are not its own.
func (w *writer) replayBatches(ctx context.Context, r ledger.Replay, t ledger.ReplayType, messages []bus.Message) error {
	var mine []bus.Message
	var others []ledger.Replayed
	for _, msg := range messages {
		if msg.Sequence > t.Last {
			continue
		}
		if r.Import != nil || r.After != nil {
			header, err := fhirmsg.DecodeBatchHeader(msg.Data)
			if err != nil {
				return bus.Permanent(err)
			}
			if !r.Has(header.Import) {
				others = append(others, ledger.Replayed{Sequence: msg.Sequence, Type: t.Type})
				continue
			}
		}
		mine = append(mine, msg)
	}
	if len(others) > 0 {
		if err := w.ledger.PassReplayed(ctx, r.ID, others); err != nil {
			return err
		}
	}
	into := store.Replay{ID: r.ID, Into: r.Into, Force: r.Force}
	for len(mine) > 0 {
		batches, n, err := w.gather(mine)
		if err != nil {
			return bus.Permanent(err)
		}
		result, err := w.store.Replay(ctx, into, batches, sequences(mine[:n]))
		w.release(batches)
		if errors.Is(err, fhirmsg.ErrRecord) {
			return bus.Permanent(err)
		}
		if errors.Is(err, ledger.ErrLocked) {
			return later(mine[0])
		}
		if err != nil {
			return err
		}
		for range result.Retries {
			w.deps.Metrics.Retry()
		}
		mine = mine[n:]
	}
	return nil
}
