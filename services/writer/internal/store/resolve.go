package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// resolve states which rejects of other imports the group's batches resolve, once all rows are settled.
func (g *group) resolve(ctx context.Context, tx pgx.Tx) error {
	if g.elsewhere() {
		return nil
	}
	for i, b := range g.batches {
		if !b.Import.IsRetry() && b.Import.Mends == (fhirmsg.ImportID{}) {
			continue
		}
		t := ledger.Taken{Import: b.Import, File: b.File, Type: g.typ}
		for _, r := range g.rows {
			if r.batch != i || !isTaken(ledger.Outcome(g.outcomes[i][r.index])) {
				continue
			}
			id := r.ID
			if len(r.OriginalID) > 0 {
				id = r.OriginalID
			}
			t.IDs, t.Lines, t.Entries = append(t.IDs, string(id)), append(t.Lines, r.Line), append(t.Entries, r.Entry)
		}
		if len(t.IDs) == 0 {
			continue
		}
		if err := ledger.RecordResolved(ctx, tx, t); err != nil {
			return err
		}
	}
	return nil
}

// isTaken reports whether a resource is in the store, or something of its key is that is newer.
func isTaken(o ledger.Outcome) bool {
	switch o {
	case ledger.Inserted, ledger.Revived, ledger.Updated, ledger.Unchanged, ledger.Stale, ledger.Deleted:
		return true
	case ledger.Skipped, ledger.Rejected, ledger.Discarded, ledger.Cancelled, ledger.Repeated:
	}
	return false
}
