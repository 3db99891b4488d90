package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// SetHistory turns a dataset's history on or off, in one transaction that holds the dataset
// exclusively; changed is false where it was so already. Turned on, history begins with a copy of
// all live rows and tombstones, for whose time the dataset's batches wait. Turned off, what was kept stays, and
// nothing is added.
func SetHistory(ctx context.Context, pool *pgxpool.Pool, dataset string, on bool) (changed bool, err error) {
	err = exclusively(ctx, pool, dataset, func(tx pgx.Tx) error {
		if !on {
			changed, err = ledger.EndHistory(ctx, tx, dataset)
			return err
		}
		if kept, err := ledger.KeepsHistory(ctx, tx, dataset); err != nil || kept {
			return err
		}
		tables, err := Tables(ctx, tx, dataset)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if err := beginHistory(ctx, tx, dataset, table); err != nil {
				return err
			}
		}
		changed = true
		return ledger.BeginHistory(ctx, tx, dataset)
	})
	if err != nil {
		return false, fmt.Errorf("history of dataset %s: %w", dataset, err)
	}
	return changed, nil
}

// beginHistory copies what a type has.
func beginHistory(ctx context.Context, tx pgx.Tx, dataset, table string) error {
	if _, err := tx.Exec(ctx, ddlHistory(dataset, table)); err != nil {
		return err
	}
	if err := addOriginalID(ctx, tx, dataset, historyTable(table)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, copyLive(dataset, table)+` ON CONFLICT DO NOTHING`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO `+quoted(dataset, historyTable(table))+`
			(id, stamp, issued, file, line, entry, supplier, import, original_id, deleted)
		SELECT id, stamp, issued, file, line, entry, supplier, coalesce(import, `+noImport+`), original_id, true
		FROM `+quoted(dataset, tombstoneTable)+` WHERE lower(type) = $1 ON CONFLICT DO NOTHING`, table)
	return err
}

// exclusively runs f in a transaction that waits for the writers at work in a dataset and keeps others out until its
// end. Invariant 7. What it changes counts as a writer's. It may take minutes, and so has a connection of its own.
func exclusively(ctx context.Context, pool *pgxpool.Pool, dataset string, f func(pgx.Tx) error) error {
	conn, err := ledger.New(pool).OutsidePool(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // its transaction has ended
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := ledger.LockDatasets(ctx, tx, true, dataset); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT set_config('stoker.writer', 'on', true)`); err != nil {
			return err
		}
		return f(tx)
	})
}
