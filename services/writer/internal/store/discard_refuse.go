package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Refusal is the error of a discard that needs a history and has none. It is a [ledger.ErrState].
type Refusal struct {
	Import  fhirmsg.ImportID
	Dataset string
	Reasons []Reason
}

// Reason is why resources stand against a discard.
type Reason struct {
	Count int64
	Why   string
}

// Keys is how many resources stand against the discard.
func (r *Refusal) Keys() (n int64) {
	for _, reason := range r.Reasons {
		n += reason.Count
	}
	return n
}

// Error says how many there are, by reason, and what can be done.
func (r *Refusal) Error() string {
	var reasons strings.Builder
	for _, reason := range r.Reasons {
		fmt.Fprintf(&reasons, "\n  %d %s", reason.Count, reason.Why)
	}
	return fmt.Sprintf("dataset %s has no history from before import %s was accepted, and without one only what nothing else depends on can be discarded. "+
		"%d resources stand against it:%s\nNothing was changed. To be able to discard imports to come: stoker dataset history %s on",
		r.Dataset, r.Import, r.Keys(), reasons.String(), r.Dataset)
}

// Unwrap implements errors.Is.
func (r *Refusal) Unwrap() error { return ledger.ErrState }

// refuse proves from statements and rows that each key of what is discarded had nothing before it
// and has nothing after it, or returns a [Refusal]. A deletion before it counts as something:
// its version is gone. So does what came later and was found older: without the row, it would be there.
func (d *Discarded) refuse(ctx context.Context, tx pgx.Tx, brought []ledger.Brought) error {
	var c ledger.Counts
	var revived, changed, edited int64
	for _, b := range brought {
		c.Plus(b.Counts)
		revived += b.Revived
		untouched, byHand, err := d.standing(ctx, tx, b.Type)
		if err != nil {
			return fmt.Errorf("%s: %w", b.Type, err)
		}
		edited += byHand
		// A row of an update is counted among the updated; it is none of those inserted.
		changed += max(b.Counts.Inserted-untouched-byHand, 0)
	}
	gaveWay, err := d.GaveWay(ctx, tx)
	if err != nil {
		return err
	}
	r := &Refusal{Import: d.Import, Dataset: d.Dataset}
	for _, reason := range []Reason{
		{c.Updated, "replaced what was there before"},
		{c.Unchanged, "were there before, with the same content"},
		{c.Deleted, "are deletions"},
		{revived, "were deleted before"},
		{c.Stale + c.Skipped, "gave way to what was there before, or to another line of the same import"},
		{changed, "were changed, deleted or confirmed by later imports, or removed by hand"},
		{edited, "were edited by hand"},
		{gaveWay, "of other imports and files were found older than what was there, which may be this import's"},
	} {
		if reason.Count > 0 {
			r.Reasons = append(r.Reasons, reason)
		}
	}
	if len(r.Reasons) > 0 {
		return r
	}
	return nil
}

// standing counts the rows of what is discarded that stand as they were written, and those
// that were edited by hand.
func (d *Discarded) standing(ctx context.Context, tx pgx.Tx, typ string) (untouched, edited int64, err error) {
	table := quoted(d.Dataset, tableName(typ))
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&exists); err != nil || !exists {
		return 0, 0, err
	}
	err = tx.QueryRow(ctx, `SELECT count(hash), count(*) - count(hash) FROM `+table+` WHERE import = $1 AND ($2::int = -1 OR file = $2)`,
		[16]byte(d.Import), d.File).Scan(&untouched, &edited)
	return untouched, edited, err
}
