package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// What can be wrong with a sync.
var (
	ErrNoSync    = errors.New("no such sync")
	ErrSync      = errors.New("the sync cannot be as it was declared")
	ErrSyncState = errors.New("the sync's state does not allow that")
)

// Sync is a sync as the ledger has it. Its JSON may hold secrets; see [supplier.Sync.WithoutSecrets].
type Sync struct {
	supplier.Sync
	Into     string     `json:"into"`      // the dataset, also where the policy of its supplier decides
	FromFile bool       `json:"from_file"` // declared in suppliers.yaml, and changed there only
	Created  time.Time  `json:"created"`
	Paused   bool       `json:"paused"`
	Next     *time.Time `json:"next,omitempty"`        // when it is due; in the past: as soon as it can be. nil: never
	Last     *SyncRun   `json:"last,omitempty"`        // the newest run
	Lag      *float64   `json:"lag_seconds,omitempty"` // since the newest run began that left nothing to import; nil: there is none

	cursor     json.RawMessage
	generation int
}

// completed is when the newest run of a sync s began that left nothing to import.
const completed = `(SELECT max(r.begun) FROM stoker.sync_run r
		WHERE r.sync = s.name AND r.generation = s.generation AND r.state IN ('unchanged', 'complete'))`

const selectSync = `SELECT s.definition, coalesce(nullif(s.definition->>'dataset', ''),
		(SELECT coalesce(u.policy->>'dataset', u.name) FROM stoker.supplier u WHERE u.name = s.definition->>'supplier'), '` + fhirmsg.DefaultDataset + `'), s.from_file, s.created, s.paused, s.due, s.cursor, s.generation,
	extract(epoch FROM $1::timestamptz - ` + completed + `)::float8
	FROM stoker.sync s `

func scanSync(row pgx.CollectableRow) (s Sync, err error) {
	err = row.Scan(&s.Sync, &s.Into, &s.FromFile, &s.Created, &s.Paused, &s.Next, &s.cursor, &s.generation, &s.Lag)
	return s, err
}

func findSync(ctx context.Context, q rowsQuerier, name string, now time.Time) (Sync, error) {
	rows, err := q.Query(ctx, selectSync+`WHERE s.name = $2`, now, name)
	if err != nil {
		return Sync{}, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanSync)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoSync
	}
	return s, err
}

// Sync returns a sync, with its newest runs, the newest first. Errors: [ErrNoSync].
func (l *Ledger) Sync(ctx context.Context, name string, now time.Time, limit int) (s Sync, runs []SyncRun, err error) {
	if s, err = findSync(ctx, l.pool, name, now); err == nil {
		runs, err = l.runs(ctx, `r.sync = $1 ORDER BY r.due DESC LIMIT $2`, name, limit)
	}
	if err != nil {
		return s, nil, fmt.Errorf("sync %s: %w", name, err)
	}
	if len(runs) > 0 {
		s.Last = &runs[0]
	}
	return s, runs, nil
}

// Syncs lists all syncs by name.
func (l *Ledger) Syncs(ctx context.Context, now time.Time) ([]Sync, error) {
	rows, err := l.pool.Query(ctx, selectSync+`ORDER BY s.name COLLATE "C"`, now)
	if err != nil {
		return nil, fmt.Errorf("list syncs: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSync)
	if err != nil {
		return nil, fmt.Errorf("list syncs: %w", err)
	}
	last, err := l.runs(ctx, `r.due = (SELECT max(n.due) FROM stoker.sync_run n WHERE n.sync = r.sync)`)
	if err != nil {
		return nil, fmt.Errorf("list syncs: %w", err)
	}
	of := map[string]*SyncRun{}
	for i := range last {
		of[last[i].Sync] = &last[i]
	}
	for i := range list {
		list[i].Last = of[list[i].Name]
	}
	return list, nil
}

// SyncLags are the lags of all syncs in seconds, by name; of one without a run that left nothing to import, since it was declared.
func (l *Ledger) SyncLags(ctx context.Context, now time.Time) (map[string]float64, error) {
	rows, err := l.pool.Query(ctx, `SELECT s.name, extract(epoch FROM $1::timestamptz - coalesce(`+completed+`, s.created))::float8 FROM stoker.sync s`, now)
	if err != nil {
		return nil, fmt.Errorf("lags of syncs: %w", err)
	}
	lags := map[string]float64{}
	var name string
	var lag float64
	if _, err := pgx.ForEachRow(rows, []any{&name, &lag}, func() error { lags[name] = lag; return nil }); err != nil {
		return nil, fmt.Errorf("lags of syncs: %w", err)
	}
	return lags, nil
}

// PauseSync lets no run begin. One that is under way goes on. Errors: [ErrNoSync].
func (l *Ledger) PauseSync(ctx context.Context, name string) error {
	return l.changeSync(ctx, name, "pause", func(tx pgx.Tx, _ Sync) error {
		_, err := tx.Exec(ctx, `UPDATE stoker.sync SET paused = true WHERE name = $1`, name)
		return err
	})
}

// ResumeSync lets a paused sync run again, when it is due next after now. Errors: [ErrNoSync].
func (l *Ledger) ResumeSync(ctx context.Context, name string, now time.Time) error {
	return l.changeSync(ctx, name, "resume", func(tx pgx.Tx, s Sync) error {
		next, err := nextOf(s.Sync, now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE stoker.sync SET paused = false, due = $2 WHERE name = $1 AND paused`, name, next)
		return err
	})
}

// RemoveSync forgets a sync and its runs. What it imported stays, and an import that is under way goes on.
// Errors: [ErrNoSync], and [ErrSync] for one of suppliers.yaml.
func (l *Ledger) RemoveSync(ctx context.Context, name string) error {
	return l.changeSync(ctx, name, "remove", func(tx pgx.Tx, s Sync) error {
		if s.FromFile {
			return refuse(ErrSync, "it is declared in suppliers.yaml; take it out there")
		}
		_, err := tx.Exec(ctx, `DELETE FROM stoker.sync WHERE name = $1`, name)
		return err
	})
}

func (l *Ledger) changeSync(ctx context.Context, name, what string, do func(pgx.Tx, Sync) error) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		s, err := lockSync(ctx, tx, name)
		if err != nil {
			return err
		}
		return do(tx, s)
	})
	if err != nil {
		return fmt.Errorf("%s sync %s: %w", what, name, err)
	}
	return nil
}

// lockSync returns a sync that nobody else changes before the transaction ends.
func lockSync(ctx context.Context, tx pgx.Tx, name string) (Sync, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM stoker.sync WHERE name = $1 FOR UPDATE`, name); err != nil {
		return Sync{}, err
	}
	return findSync(ctx, tx, name, time.Time{})
}

// nextOf is when a sync is due next after a time; nil is never.
func nextOf(s supplier.Sync, now time.Time) (*time.Time, error) {
	schedule, err := s.Schedule()
	if err != nil {
		return nil, refuse(ErrSync, "every: %w", err)
	}
	next := schedule.Next(now)
	if next.IsZero() {
		return nil, nil
	}
	return &next, nil
}
