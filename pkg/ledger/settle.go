package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Settle decides whether too much of an import is rejected for it to go on, and whether a
// draining one is at its end: complete, or failed where a file failed. That of a snapshot waits for what the snapshot
// deletes. Invariant 3. It is called after statements were committed, takes the import's
// row lock first and counts then, so that of two writers that finish together at least
// the later one sees the whole.
func (l *Ledger) Settle(ctx context.Context, id fhirmsg.ImportID) error {
	_, err := l.settle(ctx, id, false)
	return err
}

// settle does so. With listed, an import at its end stays as it is while not all that it rejected can be read, and unlisted is true then:
// rejects take another way to the ledger than what is stated of their chunk.
func (l *Ledger) settle(ctx context.Context, id fhirmsg.ImportID, listed bool) (unlisted bool, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
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
		return tx.QueryRow(ctx, `WITH t AS (
				SELECT settled, CASE WHEN settled AND $2
					THEN (SELECT count(*) FROM stoker.reject WHERE import = $1 AND NOT stored) < lines_rejected + rejected
					ELSE false END AS unlisted
				FROM stoker.totals($1)
			), f AS (
				SELECT count(*) AS files, count(*) FILTER (WHERE state = 'failed') AS failed FROM stoker.file WHERE import = $1
			), ended AS (
				UPDATE stoker.import SET ended = clock_timestamp(),
					state = CASE WHEN f.failed = 0 THEN 'complete' ELSE 'failed' END,
					reason = CASE WHEN f.failed = 0 THEN reason ELSE concat_ws('. ', f.failed || ' of ' || f.files || ' files failed', nullif(reason, '')) END
				FROM t, f
				WHERE id = $1 AND coalesce(snapshot->>'state', '') NOT IN ('pending', 'deleting') AND t.settled AND NOT t.unlisted
			)
			SELECT unlisted FROM t`, [16]byte(id), listed).Scan(&unlisted)
	})
	if err != nil {
		return false, fmt.Errorf("settle import %s: %w", id, err)
	}
	return unlisted, nil
}

// listing is how long an import that is at its end waits until all that it rejected can be read. It takes milliseconds; but
// others may have sent very many rejects, and nobody's import waits for theirs to be recorded.
const listing = 10 * time.Second

// Sweeper settles imports from time to time. It is for one goroutine.
type Sweeper struct {
	ledger   *Ledger
	unlisted map[[16]byte]time.Time // imports whose rejects cannot all be read yet, and since when
}

// NewSweeper makes a Sweeper.
func (l *Ledger) NewSweeper() *Sweeper {
	return &Sweeper{ledger: l, unlisted: map[[16]byte]time.Time{}}
}

// Sweep settles every import that is fetched or draining. It catches what no writer's commit does: an
// import without resources, a process that ended between its commit and its settling.
func (s *Sweeper) Sweep(ctx context.Context) error {
	rows, err := s.ledger.pool.Query(ctx, `SELECT id FROM stoker.import WHERE state IN ('fetching', 'draining') AND ended IS NULL`)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	still := map[[16]byte]time.Time{}
	for _, id := range ids {
		since, waits := s.unlisted[id]
		if !waits {
			since = time.Now()
		}
		unlisted, err := s.ledger.settle(ctx, id, time.Since(since) < listing)
		if err != nil {
			return err
		}
		if unlisted {
			still[id] = since
		}
	}
	s.unlisted = still
	return nil
}
