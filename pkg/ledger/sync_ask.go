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

// SyncAsk is what a source is to be asked.
type SyncAsk struct {
	supplier.Sync
	Declared *supplier.Supplier // its supplier; nil: it was not declared
	Cursor   json.RawMessage    // how far it was imported; nil: not at all, or all is asked for; see [ExportCursor.Whole] for what stays then

	// JoinedRefused says that the last run failed since the server did not export patients that joined by themselves.
	JoinedRefused bool
}

// SyncFound is what a source has.
type SyncFound struct {
	Sources []fhirmsg.Source // to be imported; none: nothing is new
	Cursor  json.RawMessage  // how far it is imported then; with no sources, nil is as before

	// For people: since when changes are asked for, zero is all; how many patients joined, of whom all is asked for besides; and what was
	// noticed.
	Since   time.Time
	Joined  int
	Notices []string
}

// AskSyncRun has the source of a run asked, by one process at a time, and records what came of it: the request for an import,
// which is then to be published, or the run's end. ask is called without any lock that others wait for; its error fails
// the run, except that of the context, after which another process may ask. It returns the run as it is then;
// ok is false where another process has it in hand.
func (l *Ledger) AskSyncRun(ctx context.Context, r SyncRun, now func() time.Time, ask func(context.Context, SyncAsk) (SyncFound, error)) (after SyncRun, ok bool, err error) {
	conn, err := l.OutsidePool(ctx)
	if err != nil {
		return r, false, wrapRun(r, err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // its transaction has ended
	// When the process dies the lock is gone. The transaction holds no row while the source is asked, so who removes
	// the sync does not wait for it.
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('stoker:sync:' || $1, 0))`, r.Sync).Scan(&ok); err != nil || !ok {
			return err
		}
		s, open, err := runToAsk(ctx, tx, r)
		if err != nil || !open {
			return err
		}
		request, found, err := l.found(ctx, tx, s, r, ask)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return recordFound(ctx, tx, s, r, request, found, err, now())
	})
	if err != nil || !ok {
		return r, false, wrapRun(r, err)
	}
	list, err := l.runs(ctx, `r.sync = $1 AND r.due = $2`, r.Sync, r.Due)
	if err != nil || len(list) == 0 { // it was removed meanwhile
		return r, false, wrapRun(r, err)
	}
	return list[0], true, nil
}

// OutsidePool connects beside the pool, whose connections are too few for what takes minutes, such as to wait for a supplier's server.
// The caller closes it.
func (l *Ledger) OutsidePool(ctx context.Context) (*pgx.Conn, error) {
	cfg := l.pool.Config()
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return nil, err
	}
	if cfg.AfterConnect != nil {
		if err := cfg.AfterConnect(ctx, conn); err != nil {
			_ = conn.Close(ctx) // nothing was done
			return nil, err
		}
	}
	return conn, nil
}

func wrapRun(r SyncRun, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("run of sync %s: %w", r.Sync, err)
}

// runToAsk reads a run's sync; open is whether it is still to be asked.
func runToAsk(ctx context.Context, tx pgx.Tx, r SyncRun) (s Sync, open bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.sync_run WHERE sync = $1 AND due = $2 AND state = 'asking')`, r.Sync, r.Due).Scan(&open)
	if err != nil || !open {
		return s, false, err
	}
	s, err = findSync(ctx, tx, r.Sync, r.Begun)
	if errors.Is(err, ErrNoSync) {
		return s, false, nil
	}
	return s, err == nil, err
}

// found asks the source, and makes the request of what it has; nil: nothing is new.
func (l *Ledger) found(ctx context.Context, tx pgx.Tx, s Sync, r SyncRun, ask func(context.Context, SyncAsk) (SyncFound, error)) (*fhirmsg.ImportRequest, SyncFound, error) {
	if r.MaxDeletes != nil {
		if err := stillReconciles(ctx, tx, s, r); err != nil {
			return nil, SyncFound{}, err
		}
	}
	a := SyncAsk{Sync: s.Sync, Cursor: s.cursor}
	if r.Full {
		a.Cursor = s.cursorOfAll()
	}
	switch declared, err := findSupplier(ctx, tx, s.Supplier); {
	case errors.Is(err, ErrNoSupplier):
	case err != nil:
		return nil, SyncFound{}, err
	case declared.Removed != nil:
		return nil, SyncFound{}, fmt.Errorf("supplier %s was removed and delivers nothing any more", s.Supplier)
	default:
		a.Declared = &declared.Supplier
	}
	var err error
	if a.JoinedRefused, err = joinedRefused(ctx, tx, s); err != nil {
		return nil, SyncFound{}, err
	}
	found, err := ask(ctx, a)
	if err != nil || len(found.Sources) == 0 {
		return nil, found, err
	}
	req := s.Request(found.Sources)
	if a.Declared == nil {
		req = s.Complete(req, supplier.Policy{})
	} else {
		req = s.Complete(req, a.Declared.Policy)
	}
	if r.MaxDeletes != nil {
		*req.Snapshot, req.SnapshotTypes, req.MaxDeletes = true, s.Export.Types, *r.MaxDeletes
	}
	req.ID = importOf(s, r.Due, found.Cursor)
	return &req, found, req.CheckOpen()
}

func recordFound(ctx context.Context, tx pgx.Tx, s Sync, r SyncRun, request *fhirmsg.ImportRequest, found SyncFound, failure error, now time.Time) error {
	switch {
	case failure != nil:
		_, err := tx.Exec(ctx, `UPDATE stoker.sync_run SET state = 'failed', reason = $3, ended = $4
			WHERE sync = $1 AND due = $2 AND state = 'asking'`, r.Sync, r.Due, failure.Error(), now)
		return err
	case request != nil:
		// Recorded before it is published: who finds it unpublished publishes the same.
		var since *time.Time
		if !found.Since.IsZero() {
			since = &found.Since
		}
		_, err := tx.Exec(ctx, `UPDATE stoker.sync_run SET state = 'importing', import = $3, request = $4, cursor = $5, generation = $6,
				since = $7, joined = $8, notices = coalesce($9::text[], '{}')
			WHERE sync = $1 AND due = $2 AND state = 'asking'`, r.Sync, r.Due, [16]byte(request.ID), request, found.Cursor, s.generation,
			since, found.Joined, found.Notices)
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE stoker.sync_run SET state = 'unchanged', ended = $3, generation = $4
		WHERE sync = $1 AND due = $2 AND state = 'asking'`, r.Sync, r.Due, now, s.generation)
	if err != nil || tag.RowsAffected() == 0 || found.Cursor == nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE stoker.sync SET cursor = $2 WHERE name = $1 AND generation = $3`, s.Name, found.Cursor, s.generation)
	return err
}
