package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Settle decides whether too much of an import is rejected for it to go on, and whether a
// draining one is at its end: complete, or failed where a file failed. That of a snapshot waits for what the snapshot
// deletes. Invariant 3. It is called after statements were committed, takes the import's
// row lock first and counts then, so that of two writers that finish together at least
// the later one sees the whole.
func (l *Ledger) Settle(ctx context.Context, id fhirmsg.ImportID) error {
	return l.settle(ctx, id, nil)
}

// errRejectsWait has an import that is at its end stay as it is for now.
var errRejectsWait = errors.New("rejects are still to be recorded")

func (l *Ledger) settle(ctx context.Context, id fhirmsg.ImportID, recorded func(context.Context) (bool, error)) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var state State
		if err := tx.QueryRow(ctx, `SELECT state FROM stoker.import WHERE id = $1 FOR UPDATE`, [16]byte(id)).Scan(&state); err != nil {
			return notFound(err)
		}
		if state != StateFetching && state != StateDraining {
			return nil
		}
		state, err := limitRejects(ctx, tx, id, state)
		if err != nil || state != StateDraining {
			return err
		}
		// A statement of its own: its snapshot is taken after the lock was had.
		tag, err := tx.Exec(ctx, `UPDATE stoker.import SET ended = clock_timestamp(),
			state = CASE WHEN f.failed = 0 THEN 'complete' ELSE 'failed' END,
			reason = CASE WHEN f.failed = 0 THEN reason ELSE concat_ws('. ', f.failed || ' of ' || f.files || ' files failed', nullif(reason, '')) END
			FROM (SELECT count(*) AS files, count(*) FILTER (WHERE state = 'failed') AS failed
			      FROM stoker.file WHERE import = $1) f
			WHERE id = $1 AND coalesce(snapshot->>'state', '') NOT IN ('pending', 'deleting') AND (SELECT settled FROM stoker.totals($1))`, [16]byte(id))
		if err != nil || tag.RowsAffected() == 0 || recorded == nil {
			return err
		}
		// Asked after the statements were counted: what is rejected is in the queue before it is stated.
		all, err := recorded(ctx)
		if err == nil && !all {
			err = errRejectsWait
		}
		return err
	})
	if err != nil && !errors.Is(err, errRejectsWait) {
		return fmt.Errorf("settle import %s: %w", id, err)
	}
	return nil
}

// Sweep settles every import that is fetched or draining. It catches what no writer's commit does: an
// import without resources, a process that ended between its commit and its settling. None ends before recorded says that
// all rejects in the queue are recorded, so that they can be read as soon as an import is told to have ended; nil: they are.
func (l *Ledger) Sweep(ctx context.Context, recorded func(context.Context) (bool, error)) error {
	rows, err := l.pool.Query(ctx, `SELECT id FROM stoker.import WHERE state IN ('fetching', 'draining') AND ended IS NULL`)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, id := range ids {
		if err := l.settle(ctx, id, recorded); err != nil {
			return err
		}
	}
	return nil
}
