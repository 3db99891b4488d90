package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// ExportState is how far a bulk export is.
type ExportState string

// The states. What follows what: asking → under way → ready | failed; asking → failed.
const (
	ExportAsking   ExportState = "asking"    // the server has not said that it has begun
	ExportUnderWay ExportState = "under way" // it has, and is polled
	ExportReady    ExportState = "ready"     // there is a manifest to read
	ExportFailed   ExportState = "failed"    // there is none
)

// Export is a bulk export that a source of an import asks for at its supplier's server.
type Export struct {
	Import   fhirmsg.ImportID
	Source   int32 // index in the request, from 0
	State    ExportState
	Job      json.RawMessage // the fetcher's own: its status URL, how often it failed, and the like
	Next     time.Time       // when it is to be looked at again
	At       *time.Time      // transaction time of its manifest; nil is unknown
	Attempts int             // to remove it
	Claims   int             // how often it was claimed
}

// ClaimExport gives an export to the caller, who keeps others from it until a time, unless it is not due
// yet, or another one has it. The first time it is made. claimed is false where it is not the caller's; its
// Next is then when to ask again.
func (l *Ledger) ClaimExport(ctx context.Context, id fhirmsg.ImportID, source int32, now, until time.Time) (e Export, claimed bool, err error) {
	err = l.pool.QueryRow(ctx, `INSERT INTO stoker.export AS x (import, source, next, held, claims) VALUES ($1, $2, $3, $4, 1)
		ON CONFLICT (import, source) DO UPDATE SET held = excluded.held, claims = x.claims + 1
			WHERE x.next <= $3 AND x.held <= $3 AND x.state IN ('asking', 'under way')
		RETURNING state, job, next, at, attempts, claims`, [16]byte(id), source, now, until).Scan(&e.State, &e.Job, &e.Next, &e.At, &e.Attempts, &e.Claims)
	claimed = err == nil
	if errors.Is(err, pgx.ErrNoRows) {
		err = l.pool.QueryRow(ctx, `SELECT state, job, greatest(next, held), at, attempts, claims FROM stoker.export WHERE import = $1 AND source = $2`,
			[16]byte(id), source).Scan(&e.State, &e.Job, &e.Next, &e.At, &e.Attempts, &e.Claims)
	}
	if err != nil {
		return e, false, fmt.Errorf("claim export %d of import %s: %w", source, id, err)
	}
	e.Import, e.Source = id, source
	return e, claimed, nil
}

// HoldExport keeps an export that the caller claimed for longer, until a time. Errors: [ErrOvertaken].
func (l *Ledger) HoldExport(ctx context.Context, e Export, until time.Time) error {
	return l.changeExport(ctx, `held = CASE WHEN held > '-infinity' THEN $4 ELSE held END`, e, until) // not once it was kept
}

// KeepExport stores an export as its owner leaves it, for whoever comes. Errors: [ErrOvertaken], where another one claimed it since.
func (l *Ledger) KeepExport(ctx context.Context, e Export) error {
	return l.changeExport(ctx, `state = $4, job = $5, next = $6, held = '-infinity', at = coalesce($7, at), removed = NULL`, e, string(e.State), e.Job, e.Next, e.At)
}

func (l *Ledger) changeExport(ctx context.Context, change string, e Export, values ...any) error {
	tag, err := l.pool.Exec(ctx, `UPDATE stoker.export SET `+change+` WHERE import = $1 AND source = $2 AND claims = $3`,
		append([]any{[16]byte(e.Import), e.Source, e.Claims}, values...)...)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrOvertaken
	}
	if err != nil {
		return fmt.Errorf("keep export %d of import %s: %w", e.Source, e.Import, err)
	}
	return nil
}

// ClaimOverExports gives the caller exports that are to be removed from their servers, at most limit: those of imports that
// have read all their files, or have ended, however they did. Of one import, or for the zero id of all.
func (l *Ledger) ClaimOverExports(ctx context.Context, id fhirmsg.ImportID, now, until time.Time, limit int) ([]Export, error) {
	rows, err := l.pool.Query(ctx, `UPDATE stoker.export AS x SET held = $3, attempts = x.attempts + 1
		FROM (SELECT e.import, e.source FROM stoker.export e JOIN stoker.import i ON i.id = e.import
			WHERE e.removed IS NULL AND (i.closed IS NOT NULL OR i.ended IS NOT NULL) AND (e.import = $1 OR $1 = $4 AND e.held <= $2)
			ORDER BY e.held LIMIT $5 FOR UPDATE OF e SKIP LOCKED) o
		WHERE x.import = o.import AND x.source = o.source
		RETURNING x.import, x.source, x.state, x.job, x.next, x.at, x.attempts`, [16]byte(id), now, until, [16]byte{}, limit)
	if err != nil {
		return nil, fmt.Errorf("exports to remove: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Export, err error) {
		var id [16]byte
		err = row.Scan(&id, &e.Source, &e.State, &e.Job, &e.Next, &e.At, &e.Attempts)
		e.Import = id
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("exports to remove: %w", err)
	}
	return list, nil
}

// RemovedExport states that an export is removed from its server, or that this was given up.
func (l *Ledger) RemovedExport(ctx context.Context, e Export, now time.Time) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.export SET removed = $3 WHERE import = $1 AND source = $2`, [16]byte(e.Import), e.Source, now)
	if err != nil {
		return fmt.Errorf("export %d of import %s is removed: %w", e.Source, e.Import, err)
	}
	return nil
}
