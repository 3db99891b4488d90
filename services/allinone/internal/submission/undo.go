package submission

import (
	"context"
	"errors"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer"
)

// undo takes all of a manifest back. First its import is ended, or will be as soon as a fetcher accepts it; what is
// on its way counts as discarded from then on.
func (k *Keeper) undo(ctx context.Context, w ledger.Withdrawn) error {
	if err := k.Ledger.RemoveJob(ctx, w.Import, w.Supplier); err != nil {
		return err
	}
	removed, restored, err := k.discardAll(ctx, w.Import)
	switch {
	case errors.Is(err, ledger.ErrState):
		k.Log.Warn().Err(err).Stringer("import", w.Import).Msg("a manifest of a submission cannot be undone")
		return k.Ledger.Undone(ctx, w.Import, removed, restored, err.Error())
	case err != nil && !errors.Is(err, ledger.ErrNotFound): // of one that was never accepted there is nothing
		return err
	}
	return k.Ledger.Undone(ctx, w.Import, removed, restored, "")
}

// discardAll discards an import, and what was imported of its rejects since.
func (k *Keeper) discardAll(ctx context.Context, id fhirmsg.ImportID) (removed, restored int64, err error) {
	if removed, restored, err = k.discard(ctx, id); err != nil {
		return 0, 0, err
	}
	status, err := k.Ledger.Progress(ctx, id) // no retry of what is discarded is accepted any more
	if err != nil {
		return removed, restored, err
	}
	for _, retry := range status.Retries {
		if err := k.Ledger.Cancel(ctx, retry); err != nil && !errors.Is(err, ledger.ErrState) { // it may have ended
			return removed, restored, err
		}
		moreRemoved, moreRestored, err := k.discard(ctx, retry)
		if err != nil {
			return removed, restored, err
		}
		removed, restored = removed+moreRemoved, restored+moreRestored
	}
	return removed, restored, nil
}

// discard discards an import that has ended, and keeps that in the journal.
func (k *Keeper) discard(ctx context.Context, id fhirmsg.ImportID) (removed, restored int64, err error) {
	d, err := writer.Discard(ctx, k.Pool, id, "", false)
	if err != nil {
		return 0, 0, err
	}
	return d.Removed, d.Restored, k.Journal.Import(ctx, id)
}
