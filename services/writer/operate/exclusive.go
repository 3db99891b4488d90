package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

const (
	exclusiveFor   = time.Minute // a transaction with a dataset to itself
	lockTries      = 20
	codeNoLock     = "55P03"
	codeDeadlock   = "40P01"
	codeDependents = "2BP01"
)

// exclusively runs f in a transaction that holds the locks of datasets (invariant 7). It does not
// wait long for any lock, since others queue behind it; it lets them pass and tries again.
func (o *Operator) exclusively(ctx context.Context, datasets []string, f func(context.Context, pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := o.once(ctx, datasets, f)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) {
			return err
		}
		switch {
		case pg.Code == codeDependents:
			return fmt.Errorf("%w: other objects need it (%s); drop those first", ErrRefused, pg.Detail)
		case pg.Code != codeNoLock && pg.Code != codeDeadlock:
			return err
		case try == lockTries:
			return fmt.Errorf("%w: others hold locks on the dataset for long; try again when their transactions have ended: %w", ErrRefused, err)
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (o *Operator) once(ctx context.Context, datasets []string, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, exclusiveFor)
	defer cancel()
	return pgx.BeginFunc(ctx, o.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'`); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := ledger.LockDatasets(ctx, tx, true, datasets...); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}
