package writer

import (
	"context"
	"errors"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// snapshots decides what snapshots delete, and publishes the deletions as batches of their imports. All that is decided is
// in the ledger, so any process goes on where another one ended, and publishing twice changes nothing.
func (w *writer) snapshots(ctx context.Context) {
	for {
		began := time.Now()
		if err := w.takeSnapshots(ctx); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot apply snapshots, trying again")
		}
		timer := time.NewTimer(lifecycle.Rest(time.Since(began), sweepEvery, sweepMost)) // as that of [writer.sweep]
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// takeSnapshots goes on with all of them: one that fails keeps no other from its end.
func (w *writer) takeSnapshots(ctx context.Context) error {
	pending, err := w.ledger.SnapshotsPending(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range pending {
		errs = append(errs, store.DecideSnapshot(ctx, w.deps.Pool, id))
	}
	deleting, err := w.ledger.SnapshotsDeleting(ctx)
	errs = append(errs, err)
	for _, id := range deleting {
		errs = append(errs, w.publishAbsent(ctx, id))
	}
	return errors.Join(errs...)
}

// publishAbsent publishes the deletions of a snapshot, what was decided first, and each batch with what a parser would state of
// it: a restore of the database makes the step again from these. What of a cancelled import is published is
// counted as cancelled, like all that was queued of it.
func (w *writer) publishAbsent(ctx context.Context, id fhirmsg.ImportID) error {
	for first := true; ; first = false {
		b, err := w.ledger.NextAbsent(ctx, id)
		if err != nil {
			return err
		}
		if b == nil {
			return w.ledger.EndSnapshot(ctx, id)
		}
		if first {
			if err := w.journal.Import(ctx, id); err != nil {
				return err
			}
			if err := w.journal.Absent(ctx, b.Import, b.File); err != nil {
				return err
			}
		}
		if err := w.publishDeletions(ctx, *b); err != nil {
			return err
		}
		if err := w.ledger.AbsentPublished(ctx, *b); err != nil {
			return err
		}
	}
}

func (w *writer) publishDeletions(ctx context.Context, b fhirmsg.Batch) error {
	msg, err := b.Append(nil)
	if err != nil {
		return err
	}
	if err := w.deps.Bus.Publish(ctx, fhirmsg.ResourceSubject(b.Import.Dataset, b.Type), b.MessageID(), msg); err != nil {
		return err
	}
	s := ledger.AbsentStatement(b)
	if msg, err = s.Encode(); err != nil {
		return err
	}
	return w.deps.Bus.Publish(ctx, fhirmsg.StatementSubject(b.Import.Supplier), s.MessageID(), msg)
}
