package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeepsHistory tells whether a dataset keeps every version.
func KeepsHistory(ctx context.Context, tx pgx.Tx, dataset string) (on bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.history WHERE dataset = $1)`, dataset).Scan(&on)
	if err != nil {
		return false, fmt.Errorf("history of dataset %s: %w", dataset, err)
	}
	return on, nil
}

// BeginHistory notes that a dataset, which kept no history, keeps every version from now on. The
// caller holds the dataset's lock exclusively, and has copied what is there. It stops the clock of all
// imports until the commit.
func BeginHistory(ctx context.Context, tx pgx.Tx, dataset string) error {
	_, err := tx.Exec(ctx, `WITH now AS (
			UPDATE stoker.clock SET last = greatest(clock_timestamp(), last + interval '1 microsecond') RETURNING last)
		INSERT INTO stoker.history (dataset, since) SELECT $1, last FROM now`, dataset)
	if err != nil {
		return fmt.Errorf("begin the history of dataset %s: %w", dataset, err)
	}
	return nil
}

// EndHistory notes that a dataset keeps no more versions; ended is false where it kept none. The
// caller holds the dataset's lock exclusively.
func EndHistory(ctx context.Context, tx pgx.Tx, dataset string) (ended bool, err error) {
	tag, err := tx.Exec(ctx, `DELETE FROM stoker.history WHERE dataset = $1`, dataset)
	if err != nil {
		return false, fmt.Errorf("end the history of dataset %s: %w", dataset, err)
	}
	return tag.RowsAffected() == 1, nil
}

// BackdateHistory notes that a dataset's history began earlier than was noted: it was begun again after a restore
// of the database, with rows that are older than those of the first time.
func (l *Ledger) BackdateHistory(ctx context.Context, dataset string, since time.Time) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.history SET since = $2 WHERE dataset = $1 AND since > $2`, dataset, since)
	if err != nil {
		return fmt.Errorf("history of dataset %s: %w", dataset, err)
	}
	return nil
}
