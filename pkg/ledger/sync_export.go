package ledger

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// ExportCursor is the cursor of a sync of kind export: how far its source was imported.
type ExportCursor struct {
	// Time is the transaction time of the newest export that was imported whole; nil: none was, or it had none. It is known when the
	// import has ended, and set by [Ledger.SettleSyncRuns]; before that it is the one of the run before.
	Time *time.Time `json:"time,omitempty"`

	// Members are the ids of the Group's patients, in order, of whom all is imported. nil: they are not known.
	Members []string `json:"members"`

	// Whole says that the server does not export patients by themselves, so that all is asked for when somebody joins. It is of the server, and
	// stays when all is asked for.
	Whole bool `json:"whole,omitempty"`
}

// cursorOfAll is the cursor with which all of the source is asked for, whatever was imported before.
func (s Sync) cursorOfAll() json.RawMessage {
	var c ExportCursor
	if s.Kind != supplier.SyncExport || s.cursor == nil || json.Unmarshal(s.cursor, &c) != nil || !c.Whole {
		return nil
	}
	return json.RawMessage(`{"members":null,"whole":true}`)
}

// Sources of a run's import: an export of what has changed, and one of all of the patients that joined.
const (
	ExportChanges = 0
	ExportJoined  = 1
)

// joinedRefused reports whether the last run failed since the export of those who joined did, and the other one did not.
func joinedRefused(ctx context.Context, tx pgx.Tx, s Sync) (refused bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM (SELECT import, generation, state, joined FROM stoker.sync_run WHERE sync = $1 AND ended IS NOT NULL ORDER BY due DESC LIMIT 1) r
			JOIN stoker.export j ON j.import = r.import AND j.source = $3 AND j.state = 'failed'
			JOIN stoker.export c ON c.import = r.import AND c.source = $4 AND c.state = 'ready'
		WHERE r.generation = $2 AND r.state = 'failed' AND r.joined > 0)`, s.Name, s.generation, ExportJoined, ExportChanges).Scan(&refused)
	return refused, err
}

// ReconcileSync begins a run by hand that asks for all of the source, after which what the source lacks is deleted, as by a
// snapshot, up to a limit; see [fhirmsg.ParseDeleteLimit]. With [fhirmsg.NoDeletes] somebody has to confirm it.
// Errors: [ErrNoSync]; [ErrSync] where it cannot be known what the source lacks; [ErrSyncState] where a run is under way.
func (l *Ledger) ReconcileSync(ctx context.Context, name, maxDeletes string, now time.Time) error {
	return l.changeSync(ctx, name, "reconcile", func(tx pgx.Tx, s Sync) error {
		if _, err := fhirmsg.ParseDeleteLimit(maxDeletes); err != nil {
			return refuse(ErrSync, "max_deletes %w", err)
		}
		if err := mayReconcile(ctx, tx, s, now); err != nil {
			return err
		}
		begun, err := beginRun(ctx, tx, s, now, true, true, &maxDeletes, now)
		if err == nil && !begun {
			err = refuse(ErrSyncState, "a run of it is under way; see: stoker sync show %s", name)
		}
		return err
	})
}

// mayReconcile refuses, with [ErrSync], where it cannot be known what the source of a sync lacks.
func mayReconcile(ctx context.Context, tx pgx.Tx, s Sync, now time.Time) error {
	if err := s.Reconcilable(); err != nil {
		return refuse(ErrSync, "%w", err)
	}
	other, err := sharedWith(ctx, tx, s, now)
	if err == nil && other != "" {
		err = refuse(ErrSync, "sync %s delivers into dataset %s as supplier %s too, and what it brings would be taken for what this one lacks; give each a supplier of its own",
			other, s.Into, s.Supplier)
	}
	return err
}

// stillReconciles refuses a run that is to delete what its source lacks where the sync is not what it was when the run was begun.
func stillReconciles(ctx context.Context, tx pgx.Tx, s Sync, r SyncRun) error {
	var begunAs int
	if err := tx.QueryRow(ctx, `SELECT generation FROM stoker.sync_run WHERE sync = $1 AND due = $2`, r.Sync, r.Due).Scan(&begunAs); err != nil {
		return err
	}
	if err := mayReconcile(ctx, tx, s, r.Begun); err != nil {
		return err
	}
	if begunAs != s.generation {
		return refuse(ErrSync, "it was declared anew, as one of other data or of another place, after the run was begun, which may delete other rows than was meant; begin it again")
	}
	return nil
}

// sharedWith is another sync of the same supplier into the same dataset, or "".
func sharedWith(ctx context.Context, tx pgx.Tx, s Sync, now time.Time) (name string, err error) {
	rows, err := tx.Query(ctx, selectSync+`WHERE s.definition->>'supplier' = $2 AND s.name <> $3`, now, s.Supplier, s.Name)
	if err != nil {
		return "", err
	}
	list, err := pgx.CollectRows(rows, scanSync)
	for _, other := range list {
		if other.Into == s.Into {
			return other.Name, err
		}
	}
	return "", err
}
