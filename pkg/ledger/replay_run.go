package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// LockDatasets takes the locks of datasets that every write transaction holds shared
// (invariant 7), in the order of their names.
func LockDatasets(ctx context.Context, tx pgx.Tx, exclusive bool, names ...string) error {
	function := "pg_advisory_xact_lock_shared"
	if exclusive {
		function = "pg_advisory_xact_lock"
	}
	names = slices.Clone(names)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if _, err := tx.Exec(ctx, `SELECT `+function+`(hashtextextended('stoker:dataset:' || $1, 0))`, name); err != nil {
			return fmt.Errorf("lock dataset %s: %w", name, err)
		}
	}
	return nil
}

// ErrLocked is returned where somebody has a dataset to itself, or waits for that.
var ErrLocked = errors.New("the dataset is locked")

// ShareDataset is [LockDatasets] of one, shared, without waiting. Errors: [ErrLocked].
func ShareDataset(ctx context.Context, tx pgx.Tx, name string) error {
	var ok bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock_shared(hashtextextended('stoker:dataset:' || $1, 0))`, name).Scan(&ok); err != nil {
		return fmt.Errorf("lock dataset %s: %w", name, err)
	}
	if !ok {
		return fmt.Errorf("%s: %w", name, ErrLocked)
	}
	return nil
}

// ErrNoDataset is returned for a dataset that is not there.
var ErrNoDataset = errors.New("no such dataset")

// PrepareReplay makes the row of a replay in state preparing. A dataset that it is to write into
// has the same mode and FHIR version, or is not there yet. Errors: [ErrNoDataset], [ErrState].
func (l *Ledger) PrepareReplay(ctx context.Context, r Replay) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		// Who drops or swaps holds the locks exclusively and looks for open replays then.
		if err := LockDatasets(ctx, tx, false, r.Dataset, r.Into); err != nil {
			return err
		}
		var alike bool
		err := tx.QueryRow(ctx, `SELECT b.name IS NULL OR (a.mode, a.fhir_version) = (b.mode, b.fhir_version)
			FROM stoker.dataset a LEFT JOIN stoker.dataset b ON b.name = $2 WHERE a.name = $1`, r.Dataset, r.Into).Scan(&alike)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("%s: %w", r.Dataset, ErrNoDataset)
		case err != nil:
			return err
		case !alike:
			return refuse(ErrState, "dataset %s differs from %s in mode or FHIR version", r.Into, r.Dataset)
		}
		_, err = tx.Exec(ctx, `INSERT INTO stoker.replay (id, dataset, target, import, force, restores, state, after)
			VALUES ($1, $2, $3, $4, $5, $6, 'preparing', (SELECT at FROM stoker.dropped WHERE dataset = $2))`,
			[16]byte(r.ID), r.Dataset, r.Into, (*[16]byte)(r.Import), r.Force, r.Restores)
		return err
	})
	if err != nil {
		return fmt.Errorf("replay of dataset %s: %w", r.Dataset, err)
	}
	return nil
}

// StartReplay fixes what a prepared replay reads, makes the dataset that it writes into if there is
// none, and hands it to the writers.
func (l *Ledger) StartReplay(ctx context.Context, r Replay) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error { return StartReplay(ctx, tx, r, ReplayRunning) })
	if err != nil {
		return fmt.Errorf("start replay %s: %w", r.ID, err)
	}
	return nil
}

// StartReplay is [Ledger.StartReplay] within a transaction; the state may be one in which there
// is nothing left to do.
func StartReplay(ctx context.Context, tx pgx.Tx, r Replay, state ReplayState) error {
	tag, err := tx.Exec(ctx, `UPDATE stoker.replay SET first = $2, last = $3, whole = $4, state = $5,
			ended = CASE WHEN $5 = 'running' THEN NULL ELSE clock_timestamp() END
		WHERE id = $1 AND state = 'preparing'`, [16]byte(r.ID), int64(r.First), int64(r.Last), r.Whole, string(state))
	if err == nil && tag.RowsAffected() == 0 {
		err = refuse(ErrState, "it was given up meanwhile")
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO stoker.dataset (name, mode, fhir_version)
		SELECT $2, mode, fhir_version FROM stoker.dataset WHERE name = $1 ON CONFLICT (name) DO NOTHING`, r.Dataset, r.Into); err != nil {
		return err
	}
	for _, t := range r.Types {
		if _, err := tx.Exec(ctx, `INSERT INTO stoker.replay_type (replay, type, first, last, messages) VALUES ($1, $2, $3, $4, $5)`,
			[16]byte(r.ID), t.Type, int64(t.First), int64(t.Last), t.Messages); err != nil {
			return err
		}
	}
	return nil
}

// ForgetReplay removes a replay that is still being prepared.
func (l *Ledger) ForgetReplay(ctx context.Context, id fhirmsg.ImportID) error {
	if _, err := l.pool.Exec(ctx, `DELETE FROM stoker.replay WHERE id = $1 AND state = 'preparing'`, [16]byte(id)); err != nil {
		return fmt.Errorf("forget replay %s: %w", id, err)
	}
	return nil
}

// OpenReplays returns the replays that are being prepared or running, with their types but
// without what became of their messages. Those whose preparation was never finished fail.
func (l *Ledger) OpenReplays(ctx context.Context) (open []Replay, err error) {
	rows, err := l.pool.Query(ctx, selectReplay+`WHERE ended IS NULL ORDER BY created`)
	if err == nil {
		open, err = pgx.CollectRows(rows, scanReplay)
	}
	for i := range open {
		if err != nil {
			break
		}
		if open[i].State == ReplayPreparing { // for two minutes at most, or its process was killed
			_, err = l.pool.Exec(ctx, `UPDATE stoker.replay SET state = 'failed', ended = clock_timestamp(), reason = 'its preparation was interrupted'
				WHERE id = $1 AND state = 'preparing' AND created < clock_timestamp() - interval '3 minutes'`, [16]byte(open[i].ID))
			continue
		}
		open[i].Types, err = typesToRead(ctx, l, open[i].ID)
	}
	if err != nil {
		return nil, fmt.Errorf("open replays: %w", err)
	}
	return open, nil
}

func typesToRead(ctx context.Context, l *Ledger, id fhirmsg.ImportID) ([]ReplayType, error) {
	rows, err := l.pool.Query(ctx, `SELECT type, first, last, messages FROM stoker.replay_type WHERE replay = $1 ORDER BY type`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t ReplayType, err error) {
		var first, last int64
		err = row.Scan(&t.Type, &first, &last, &t.Messages)
		t.First, t.Last = uint64(first), uint64(last)
		return t, err
	})
}

// SettleReplay ends a running replay whose consumers have nothing left: complete, if every
// message that it was to read is stated, else failed. One that brings back what was lost has
// also to leave no statement without its batch, and nothing missing of imports that ended. Invariant 3, for replays.
func (l *Ledger) SettleReplay(ctx context.Context, id fhirmsg.ImportID) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.replay r SET ended = clock_timestamp(),
			state = CASE WHEN missing = 0 AND unstated = 0 AND left_over = 0 AND short = 0 THEN 'complete' ELSE 'failed' END,
			reason = concat_ws('. ',
				CASE WHEN missing > 0 THEN missing || ' messages could not be read: they were removed from the stream, or are among the dead letters' END,
				CASE WHEN unstated > 0 THEN unstated || ' messages were stored, but the ledger of the dataset does not have them, as after a restore: '
					|| 'replay it into itself first' END,
				CASE WHEN left_over > 0 THEN left_over || ' batches that were stored before the restore are not in the stream any more' END,
				CASE WHEN short > 0 THEN short || ' imports lack what parsers stated before the restore: begin with an earlier time' END)
		FROM (SELECT (SELECT coalesce(sum(messages), 0) FROM stoker.replay_type WHERE replay = $1)
				- (SELECT count(*) FROM stoker.replayed WHERE replay = $1) AS missing,
			(SELECT count(*) FROM stoker.replayed WHERE replay = $1 AND unstated) AS unstated,
			(SELECT count(*) FROM stoker.replay o JOIN stoker.restored USING (dataset) WHERE o.id = $1 AND o.restores IS NOT NULL) AS left_over,
			(SELECT count(*) FROM stoker.replay o JOIN stoker.import i USING (dataset), LATERAL stoker.totals(i.id) t
				WHERE o.id = $1 AND i.state IN ('complete', 'failed') AND i.ended > o.restores - interval '1 hour' AND t.missing <> 0) AS short) s
		WHERE r.id = $1 AND r.state = 'running'`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("settle replay %s: %w", id, err)
	}
	return nil
}

// CancelReplay ends a replay: nothing more is written for it. What was stays.
// Errors: [ErrNoReplay], [ErrState].
func (l *Ledger) CancelReplay(ctx context.Context, id fhirmsg.ImportID) error {
	tag, err := l.pool.Exec(ctx, `UPDATE stoker.replay SET state = 'cancelled', ended = clock_timestamp()
		WHERE id = $1 AND ended IS NULL`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("cancel replay %s: %w", id, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	r, err := l.Replay(ctx, id)
	if err != nil {
		return err
	}
	return refuse(ErrState, "replay %s is %s", id, r.State)
}

// FirstAccepted is when the first import into a dataset was accepted, or the one that is named;
// imports into a dataset of that name that was dropped do not count.
// It is zero where the ledger knows none.
func (l *Ledger) FirstAccepted(ctx context.Context, dataset string, id *fhirmsg.ImportID) (at time.Time, err error) {
	var first *time.Time
	if err := l.pool.QueryRow(ctx, `SELECT min(issued) FROM stoker.import WHERE dataset = $1 AND ($2::uuid IS NULL OR id = $2)
			AND issued > coalesce((SELECT at FROM stoker.dropped WHERE dataset = $1), '-infinity')`,
		dataset, (*[16]byte)(id)).Scan(&first); err != nil {
		return at, fmt.Errorf("first import of dataset %s: %w", dataset, err)
	}
	if first != nil {
		at = *first
	}
	return at, nil
}
