package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// AddSync declares a sync, whose first run is when it is due next after now. One that is there is declared anew only with
// replace; it keeps its runs, and what it knows of its source if that is the same. Errors: [ErrSync].
func (l *Ledger) AddSync(ctx context.Context, s supplier.Sync, replace bool, now time.Time) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		there, err := lockSync(ctx, tx, s.Name)
		switch {
		case err == nil && there.FromFile:
			return refuse(ErrSync, "it is declared in suppliers.yaml; change it there")
		case err == nil && !replace:
			return refuse(ErrSync, "it is there already; to declare it anew, give --replace")
		case err != nil && !errors.Is(err, ErrNoSync):
			return err
		}
		return writeSync(ctx, tx, s, false, now)
	})
	if err != nil {
		return fmt.Errorf("add sync %s: %w", s.Name, err)
	}
	return nil
}

// ApplySyncs declares those of suppliers.yaml, all or none. Those that the file named before and does not any
// more are paused, and are the commands' to resume or remove; their names are returned. Errors: [ErrSync].
func (l *Ledger) ApplySyncs(ctx context.Context, list []supplier.Sync, now time.Time) (left []string, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		names := make([]string, len(list))
		for i, s := range list {
			names[i] = s.Name
		}
		rows, err := tx.Query(ctx, `UPDATE stoker.sync SET from_file = false, paused = true
			WHERE from_file AND name <> ALL($1) RETURNING name`, names)
		if err != nil {
			return err
		}
		if left, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		for _, s := range list {
			if err := writeSync(ctx, tx, s, true, now); err != nil {
				return fmt.Errorf("sync %s: %w", s.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("apply the syncs of the file of suppliers: %w", err)
	}
	return left, nil
}

// writeSync writes a declaration. When it is due stays as it was where the schedule is the same, so that a run that was
// missed is made up; what is known of the source counts as long as it is of the same data.
func writeSync(ctx context.Context, tx pgx.Tx, s supplier.Sync, fromFile bool, now time.Time) error {
	if err := s.Check(); err != nil {
		return refuse(ErrSync, "%w", err)
	}
	s = s.WithDefaults()
	if err := checkSyncSupplier(ctx, tx, s); err != nil {
		return err
	}
	next, err := nextOf(s, now)
	if err != nil {
		return err
	}
	there, err := lockSync(ctx, tx, s.Name)
	if err != nil && !errors.Is(err, ErrNoSync) {
		return err
	}
	known := err == nil
	definition, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sameTimes := known && there.Every == s.Every && there.Zone == s.Zone
	sameData := known && there.SameData(s)
	_, err = tx.Exec(ctx, `INSERT INTO stoker.sync AS s (name, kind, definition, from_file, created, due) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, definition = excluded.definition, from_file = excluded.from_file,
			due = CASE WHEN $7 THEN s.due ELSE excluded.due END,
			cursor = CASE WHEN $8 THEN s.cursor END, generation = s.generation + CASE WHEN $8 THEN 0 ELSE 1 END`,
		s.Name, s.Kind, definition, fromFile, now, next, sameTimes, sameData)
	return err
}

// checkSyncSupplier refuses what the policy of the sync's supplier does not allow. One that was never declared has
// none: it is the operator.
func checkSyncSupplier(ctx context.Context, q rowsQuerier, s supplier.Sync) error {
	declared, err := findSupplier(ctx, q, s.Supplier)
	switch {
	case errors.Is(err, ErrNoSupplier):
		return nil
	case err != nil:
		return err
	case declared.Removed != nil:
		return refuse(ErrSync, "supplier %s was removed and delivers nothing any more", s.Supplier)
	}
	if refusal := declared.Refusal(s); refusal != "" {
		return refuse(ErrSync, "%s", refusal)
	}
	return nil
}
