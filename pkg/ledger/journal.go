package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// unpublished is how many imports are read at once.
const unpublished = 100

const selectStatement = `SELECT i.pins, i.change, i.request, i.policy, i.attempt, i.state, i.reason, i.listed, i.closed, i.limited, i.ended, i.transaction_time,
		CASE WHEN i.listed IS NOT NULL THEN (SELECT count(*)::int FROM stoker.file f WHERE f.import = i.id) END,
		ARRAY(SELECT d.file FROM stoker.discard d WHERE d.import = i.id ORDER BY d.file),
		ARRAY(SELECT n.note FROM stoker.note n WHERE n.import = i.id ORDER BY n.note), i.snapshot
	FROM stoker.import i `

// Unpublished returns the state of imports that changed since it was published last, some at a time.
func (l *Ledger) Unpublished(ctx context.Context) ([]fhirmsg.ImportStatement, error) {
	return l.statements(ctx, selectStatement+`WHERE i.change > i.published LIMIT $1`, unpublished)
}

// UnpublishedOf is [Ledger.Unpublished] of one import: one statement, or none.
func (l *Ledger) UnpublishedOf(ctx context.Context, id fhirmsg.ImportID) ([]fhirmsg.ImportStatement, error) {
	return l.statements(ctx, selectStatement+`WHERE i.change > i.published AND i.id = $1`, [16]byte(id))
}

func (l *Ledger) statements(ctx context.Context, sql string, arg any) ([]fhirmsg.ImportStatement, error) {
	rows, err := l.pool.Query(ctx, sql, arg)
	if err != nil {
		return nil, fmt.Errorf("changed imports: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s fhirmsg.ImportStatement, err error) {
		err = row.Scan(&s.Import, &s.Change, &s.Request, &s.Policy, &s.Attempt, &s.State, &s.Reason, &s.Listed, &s.Closed, &s.Limited, &s.Ended, &s.TransactionTime,
			&s.Files, &s.Discarded, &s.Notes, &s.Snapshot)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("changed imports: %w", err)
	}
	return list, nil
}

// Published notes that a change of an import was published.
func (l *Ledger) Published(ctx context.Context, id fhirmsg.ImportID, change int64) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.import SET published = $2 WHERE id = $1 AND published < $2`, [16]byte(id), change)
	if err != nil {
		return fmt.Errorf("note what was published of import %s: %w", id, err)
	}
	return nil
}

// Skipped returns what was not taken when the import's files were listed.
func (l *Ledger) Skipped(ctx context.Context, id fhirmsg.ImportID) (list []SkippedFile, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		list, err = skipped(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("skipped files of import %s: %w", id, err)
	}
	return list, nil
}
