package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// BuiltFrom returns the newest complete replay after which one dataset had all that another one
// had, up to the sequences that its types say; types that it does not name, up to its last.
// ok is false if there is none, or if something else was written into the dataset: it has imports of its own, or another
// dataset was replayed into it.
func BuiltFrom(ctx context.Context, tx pgx.Tx, dataset, from string) (r Replay, ok bool, err error) {
	rows, err := tx.Query(ctx, selectReplay+`WHERE dataset = $2 AND target = $1 AND state = 'complete' AND whole
		AND NOT EXISTS (SELECT FROM stoker.import WHERE dataset = $1)
		AND NOT EXISTS (SELECT FROM stoker.replay WHERE target = $1 AND dataset <> $2)
		ORDER BY ended DESC LIMIT 1`, dataset, from)
	if err != nil {
		return r, false, fmt.Errorf("replays into dataset %s: %w", dataset, err)
	}
	r, err = pgx.CollectExactlyOneRow(rows, scanReplay)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		r.Types, err = replayTypes(ctx, tx, r.ID)
	}
	if err != nil {
		return r, false, fmt.Errorf("replays into dataset %s: %w", dataset, err)
	}
	return r, true, nil
}

// OpenOn returns the open replays that read or write one of the datasets.
func OpenOn(ctx context.Context, tx pgx.Tx, datasets ...string) ([]Replay, error) {
	rows, err := tx.Query(ctx, selectReplay+`WHERE ended IS NULL AND (dataset = ANY($1) OR target = ANY($1)) ORDER BY created`, datasets)
	if err != nil {
		return nil, fmt.Errorf("open replays: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanReplay)
	if err != nil {
		return nil, fmt.Errorf("open replays: %w", err)
	}
	return list, nil
}

// SwapDatasets gives two datasets each other's place in the ledger, and states that the one that
// had the first name still has all that it had: a complete replay. The caller holds the locks of
// both and moves the tables.
func SwapDatasets(ctx context.Context, tx pgx.Tx, a, b string, r Replay) error {
	const meanwhile = "stoker" // no dataset can be called so
	for _, names := range [][2]string{{a, meanwhile}, {b, a}, {meanwhile, b}} {
		for _, sql := range []string{
			`UPDATE stoker.dataset SET name = $2 WHERE name = $1`,
			`UPDATE stoker.history SET dataset = $2 WHERE dataset = $1`,
		} {
			if _, err := tx.Exec(ctx, sql, names[0], names[1]); err != nil {
				return fmt.Errorf("swap %s and %s: %w", a, b, err)
			}
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO stoker.replay (id, dataset, target, state, reason) VALUES ($1, $2, $3, 'preparing', 'swapped')`,
		[16]byte(r.ID), r.Dataset, r.Into); err != nil {
		return fmt.Errorf("swap %s and %s: %w", a, b, err)
	}
	if err := StartReplay(ctx, tx, r, ReplayComplete); err != nil {
		return fmt.Errorf("swap %s and %s: %w", a, b, err)
	}
	return nil
}

// DropDataset removes a dataset from the ledger, which keeps the account of its imports. The
// caller holds the dataset's lock and drops the tables. Errors: [ErrNoDataset], and [ErrState]
// while an import or a replay of it is open.
func DropDataset(ctx context.Context, tx pgx.Tx, name string) error {
	// The row first: an import that is being accepted waits for it, or is seen below.
	tag, err := tx.Exec(ctx, `DELETE FROM stoker.dataset WHERE name = $1`, name)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNoDataset
	}
	var imports int
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT count(*) FROM stoker.import WHERE dataset = $1 AND ended IS NULL`, name).Scan(&imports)
	}
	if err == nil && imports > 0 {
		err = refuse(ErrState, "%d imports into it are open; let them end or cancel them", imports)
	}
	if err != nil {
		return fmt.Errorf("drop dataset %s: %w", name, err)
	}
	open, err := OpenOn(ctx, tx, name)
	if err == nil && len(open) > 0 {
		err = refuse(ErrState, "replay %s is open; let it end or cancel it", open[0].ID)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE stoker.replay SET whole = false WHERE dataset = $1 OR target = $1`, name)
	}
	if err == nil {
		_, err = EndHistory(ctx, tx, name)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `INSERT INTO stoker.dropped (dataset, at) SELECT $1, greatest(clock_timestamp(), last) FROM stoker.clock
			ON CONFLICT (dataset) DO UPDATE SET at = excluded.at`, name)
	}
	if err != nil {
		return fmt.Errorf("drop dataset %s: %w", name, err)
	}
	return nil
}

// DropDatasetAgain notes a drop that the ledger lacks since the database was restored; again is false where
// it has it. Imports accepted later are of a new dataset of that name, which stays. The caller holds the
// dataset's lock and drops the tables.
func DropDatasetAgain(ctx context.Context, tx pgx.Tx, name string, at time.Time) (again bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO stoker.dropped AS d (dataset, at) VALUES ($1, $2)
		ON CONFLICT (dataset) DO UPDATE SET at = excluded.at WHERE d.at < excluded.at`, name, at)
	if err == nil && tag.RowsAffected() == 1 {
		again = true
		_, err = tx.Exec(ctx, `DELETE FROM stoker.dataset WHERE name = $1
			AND NOT EXISTS (SELECT FROM stoker.import WHERE dataset = $1 AND issued > $2)`, name, at)
	}
	if err == nil && again {
		_, err = tx.Exec(ctx, `UPDATE stoker.replay SET whole = false WHERE dataset = $1 OR target = $1`, name)
	}
	if err == nil && again {
		_, err = EndHistory(ctx, tx, name)
	}
	if err == nil {
		err = stateDropped(ctx, tx, name, at)
	}
	if err != nil {
		return false, fmt.Errorf("drop dataset %s again: %w", name, err)
	}
	return again, nil
}

// DroppedAt is when a dataset was dropped last, by the clock of the database; zero is never.
func (l *Ledger) DroppedAt(ctx context.Context, name string) (at time.Time, err error) {
	err = l.pool.QueryRow(ctx, `SELECT at FROM stoker.dropped WHERE dataset = $1`, name).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return at, nil
	}
	if err != nil {
		return at, fmt.Errorf("dataset %s: %w", name, err)
	}
	return at, nil
}

// HistorySince is since when a dataset keeps every version, by the clock of imports; zero is that it does not.
func (l *Ledger) HistorySince(ctx context.Context, name string) (since time.Time, err error) {
	err = l.pool.QueryRow(ctx, `SELECT since FROM stoker.history WHERE dataset = $1`, name).Scan(&since)
	if errors.Is(err, pgx.ErrNoRows) {
		return since, nil
	}
	if err != nil {
		return since, fmt.Errorf("history of dataset %s: %w", name, err)
	}
	return since, nil
}
