package operate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// RestoreRequest asks for what the database lacks since it was restored from a backup.
type RestoreRequest struct {
	Since     time.Time `json:"since"`               // when the backup began, or earlier
	Available bool      `json:"available,omitempty"` // also if older messages were trimmed
}

// Restored is what was brought back, and the replays that bring back the rows.
type Restored struct {
	Imports   int             `json:"imports"`           // whose account was brought up to date
	Discarded int             `json:"discarded"`         // imports and files that were discarded again
	Foreign   int             `json:"foreign,omitempty"` // messages of the journal that are none of Stoker's, passed over
	Replays   []ledger.Replay `json:"replays"`           // one for each dataset
}

// Restore brings back what was lost when the database was restored from a backup: the account of all
// imports at once, and the rows of all datasets by replays that it begins. It may be repeated.
// Errors: [ErrRefused] where the streams do not reach back far enough.
func (o *Operator) Restore(ctx context.Context, req RestoreRequest) (r Restored, err error) {
	changes, err := journal.Journal{Bus: o.Bus, Ledger: o.Ledger}.Restore(ctx, req.Since, req.Available)
	if errors.Is(err, journal.ErrReach) {
		return r, fmt.Errorf("%w: %w. Take what there is with --available", ErrRefused, err)
	}
	if err != nil {
		return r, err
	}
	r.Imports, r.Foreign = changes.Imports, changes.Foreign
	for _, s := range lasting(changes.Datasets) {
		if err := o.restoreDataset(ctx, s); err != nil {
			return r, err
		}
	}
	for _, s := range changes.Discarded {
		n, err := o.discardAgain(ctx, s)
		if err != nil {
			return r, err
		}
		r.Discarded += n
	}
	names, err := o.Ledger.DatasetNames(ctx)
	if err != nil {
		return r, err
	}
	for _, name := range names {
		types, err := o.types(ctx, name)
		if err != nil {
			return r, err
		}
		if len(types) == 0 {
			continue // the stream has nothing of it
		}
		replay, err := o.restoreRows(ctx, name, req)
		if err != nil {
			return r, fmt.Errorf("dataset %s: %w", name, err)
		}
		r.Replays = append(r.Replays, replay)
	}
	return r, nil
}

// restoreRows begins the replay of a dataset: from the time that was asked for, and earlier where a batch
// waited and was stored after that time.
func (o *Operator) restoreRows(ctx context.Context, dataset string, req RestoreRequest) (ledger.Replay, error) {
	lacking, err := o.Ledger.RestoreFrom(ctx, dataset)
	if err != nil {
		return ledger.Replay{}, err
	}
	since, err := o.Bus.SequenceAt(ctx, fhirmsg.StreamResources, req.Since)
	if err != nil {
		return ledger.Replay{}, err
	}
	from := func(resourceType string) uint64 {
		if sequence, ok := lacking[resourceType]; ok {
			return min(since, sequence)
		}
		return since
	}
	first := uint64(math.MaxUint64)
	for resourceType := range lacking {
		first = min(first, from(resourceType))
	}
	first = min(first, since)
	r := ledger.Replay{Dataset: dataset, Into: dataset, First: first, Restores: &req.Since}
	// If the message before is gone, it may have come since that time, and others with it.
	return o.begin(ctx, r, ReplayRequest{Available: req.Available}, max(first, 2)-1, from)
}

// discardAgain undoes what was discarded before the database was restored.
func (o *Operator) discardAgain(ctx context.Context, s fhirmsg.ImportStatement) (n int, err error) {
	files := s.Discarded
	if slices.Contains(files, ledger.AllFiles) {
		files = []int32{ledger.AllFiles}
	}
	for _, file := range files {
		done, err := o.Ledger.IsDiscarded(ctx, s.Import.ID, file)
		if err != nil {
			return n, err
		}
		if done {
			continue
		}
		if err := store.DiscardAgain(ctx, o.Pool, s.Import.ID, file); err != nil {
			return n, fmt.Errorf("import %s was discarded before the restore, and cannot be again: %w", s.Import.ID, err)
		}
		n++
	}
	return n, nil
}

// lasting leaves of what was done with datasets what still holds: of each the last drop, and
// whether it kept a history after that.
func lasting(statements []fhirmsg.DatasetStatement) (last []fhirmsg.DatasetStatement) {
	for _, s := range statements {
		last = slices.DeleteFunc(last, func(before fhirmsg.DatasetStatement) bool {
			replaced := s.What == fhirmsg.DatasetDropped || before.What != fhirmsg.DatasetDropped
			return before.Dataset == s.Dataset && replaced
		})
		last = append(last, s)
	}
	return last
}

// restoreDataset does again what was done with a dataset as a whole.
func (o *Operator) restoreDataset(ctx context.Context, s fhirmsg.DatasetStatement) error {
	switch s.What {
	case fhirmsg.DatasetDropped:
		return o.exclusively(ctx, []string{s.Dataset}, func(ctx context.Context, tx pgx.Tx) error {
			again, err := ledger.DropDatasetAgain(ctx, tx, s.Dataset, s.At)
			if err != nil || !again {
				return err
			}
			return store.DropTables(ctx, tx, s.Dataset)
		})
	case fhirmsg.HistoryOn:
		if _, err := store.SetHistory(ctx, o.Pool, s.Dataset, true); err != nil {
			return err
		}
		return o.Ledger.BackdateHistory(ctx, s.Dataset, s.At)
	case fhirmsg.HistoryOff:
		_, err := store.SetHistory(ctx, o.Pool, s.Dataset, false)
		return err
	}
	return nil
}
