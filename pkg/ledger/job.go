package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Job is an import as whoever asked for it by a FHIR operation watches it, from before a fetcher has
// accepted it until they remove it.
type Job struct {
	Supplier string
	Asked    time.Time
	Removed  bool
}

// BeginJob makes an import's job, before its request is published. A second time it changes nothing.
func (l *Ledger) BeginJob(ctx context.Context, id fhirmsg.ImportID, supplier string) error {
	_, err := l.pool.Exec(ctx, `INSERT INTO stoker.job (import, supplier) VALUES ($1, $2) ON CONFLICT (import) DO NOTHING`,
		[16]byte(id), supplier)
	if err != nil {
		return fmt.Errorf("begin the job of import %s: %w", id, err)
	}
	return nil
}

// Job returns an import's job. An import without one, as after a restore of the database, has one that
// begins with it. Errors: [ErrNotFound].
func (l *Ledger) Job(ctx context.Context, id fhirmsg.ImportID) (job Job, err error) {
	err = l.pool.QueryRow(ctx, `SELECT supplier, asked, removed IS NOT NULL FROM stoker.job WHERE import = $1
		UNION ALL SELECT supplier, issued, false FROM stoker.import WHERE id = $1
			AND NOT EXISTS (SELECT FROM stoker.job WHERE import = $1)`, [16]byte(id)).Scan(&job.Supplier, &job.Asked, &job.Removed)
	if err != nil {
		return job, fmt.Errorf("job of import %s: %w", id, notFound(err))
	}
	return job, nil
}

// RemoveJob removes a job, and cancels its import unless that has ended. One that no fetcher has
// accepted yet is cancelled when it is.
func (l *Ledger) RemoveJob(ctx context.Context, id fhirmsg.ImportID, supplier string) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO stoker.job (import, supplier, removed) VALUES ($1, $2, clock_timestamp())
			ON CONFLICT (import) DO UPDATE SET removed = coalesce(stoker.job.removed, excluded.removed)`, [16]byte(id), supplier); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, cancelImport, [16]byte(id))
		return err
	})
	if err != nil {
		return fmt.Errorf("remove the job of import %s: %w", id, err)
	}
	return nil
}

// removedJob reports whether an import's job was removed before the import was accepted. The lock lets
// RemoveJob see either no import, or one that it can cancel.
func removedJob(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (removed bool, err error) {
	err = tx.QueryRow(ctx, `SELECT removed IS NOT NULL FROM stoker.job WHERE import = $1 FOR SHARE`, [16]byte(id)).Scan(&removed)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return removed, err
}

// Asked returns the request of an import, as it was accepted. It may hold secrets. Errors: [ErrNotFound].
func (l *Ledger) Asked(ctx context.Context, id fhirmsg.ImportID) (req fhirmsg.ImportRequest, err error) {
	err = l.pool.QueryRow(ctx, `SELECT request FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&req)
	if err != nil {
		return req, fmt.Errorf("request of import %s: %w", id, notFound(err))
	}
	return req, nil
}
