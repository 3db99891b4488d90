package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// WriteStated writes a batch into another dataset than its own, as its statement says it was
// written into its own; nothing if there is none. It is for who holds both datasets' locks exclusively.
func WriteStated(ctx context.Context, tx pgx.Tx, into string, batch fhirmsg.Batch) error {
	g, err := newGroup([]fhirmsg.Batch{batch})
	if errors.Is(err, fhirmsg.ErrRecord) {
		return nil // it is among the dead letters, and no dataset has it
	}
	if err != nil {
		return err
	}
	g.dataset, g.replay = into, &replay{Replay: Replay{Into: into}}
	if err := g.readStated(ctx, tx); err != nil {
		return err
	}
	if g.history, err = ledger.KeepsHistory(ctx, tx, into); err != nil {
		return err
	}
	rows := make([]*row, 0, len(g.rows))
	for _, r := range g.rows {
		if out, _ := g.stated(r); out == 0 {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := makeTable(ctx, tx, into, g.table); err != nil {
		return fmt.Errorf("make table %s of dataset %s: %w", g.table, into, err)
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('stoker.writer', 'on', true)`); err != nil {
		return fmt.Errorf("write %s to dataset %s: %w", g.typ, into, err)
	}
	if err := save(ctx, tx, g, rows, 0); err != nil {
		return fmt.Errorf("write %s to dataset %s: %w", g.typ, into, err)
	}
	return nil
}

// Tables are the tables of a dataset that hold resources.
func Tables(ctx context.Context, tx pgx.Tx, dataset string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = 'forget_hash' WHERE n.nspname = $1 ORDER BY 1`, dataset)
	if err != nil {
		return nil, fmt.Errorf("tables of dataset %s: %w", dataset, err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("tables of dataset %s: %w", dataset, err)
	}
	return tables, nil
}

// SwapTables gives the tables of two datasets each other's schema, so that each name has the
// other's rows. Types that only the first has get an empty table in the second: a query that
// found a table finds one afterwards. The caller holds both datasets' locks exclusively. Renaming
// a schema locks no table, so nobody who reads waits, and a query sees either dataset.
func SwapTables(ctx context.Context, tx pgx.Tx, a, b string) error {
	tables, err := Tables(ctx, tx, a)
	if err != nil {
		return err
	}
	has, err := Tables(ctx, tx, b)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, table := range has {
		known[table] = true
	}
	for _, table := range tables {
		if known[table] {
			continue
		}
		if err := makeTable(ctx, tx, b, table); err != nil {
			return fmt.Errorf("make table %s of dataset %s: %w", table, b, err)
		}
	}
	const meanwhile = "stoker swap" // no dataset can be called so
	for _, names := range [][2]string{{a, meanwhile}, {b, a}, {meanwhile, b}} {
		_, err := tx.Exec(ctx, `ALTER SCHEMA `+pgx.Identifier{names[0]}.Sanitize()+` RENAME TO `+pgx.Identifier{names[1]}.Sanitize())
		if err != nil {
			return fmt.Errorf("rename dataset %s: %w", names[0], err)
		}
	}
	return nil
}

// DropTables removes a dataset's tables and schema. It removes nothing that others made: where
// a view needs a table, or the schema holds something else, that is PostgreSQL's error.
func DropTables(ctx context.Context, tx pgx.Tx, dataset string) error {
	tables, err := Tables(ctx, tx, dataset)
	if err != nil {
		return err
	}
	drop := []string{tombstoneTable}
	for _, table := range tables {
		drop = append(drop, table, historyTable(table))
	}
	for _, table := range drop {
		if _, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+quoted(dataset, table)); err != nil {
			return fmt.Errorf("drop table %s: %w", table, err)
		}
	}
	if _, err := tx.Exec(ctx, `DROP SCHEMA IF EXISTS `+pgx.Identifier{dataset}.Sanitize()); err != nil {
		return fmt.Errorf("drop schema %s: %w", dataset, err)
	}
	return nil
}
