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

// SyncState is how far a run is.
type SyncState string

// The states. A run begins with asking, and may end after it.
const (
	SyncAsking    SyncState = "asking"    // the source is asked what it has
	SyncImporting SyncState = "importing" // what it has is imported
	SyncUnchanged SyncState = "unchanged" // ended: nothing to import
	SyncComplete  SyncState = "complete"  // ended: all of it was imported
	SyncFailed    SyncState = "failed"    // ended: the next run makes it up
)

// Ended reports whether nothing follows the state.
func (s SyncState) Ended() bool {
	return s == SyncUnchanged || s == SyncComplete || s == SyncFailed
}

// SyncRun is what became of one time that a sync was due, or was run by hand.
type SyncRun struct {
	Sync          string            `json:"sync"`
	Due           time.Time         `json:"due"`
	Manual        bool              `json:"manual,omitempty"`
	Full          bool              `json:"full,omitempty"` // all is asked for, whatever was imported before
	State         SyncState         `json:"state"`
	Reason        string            `json:"reason,omitempty"`
	Begun         time.Time         `json:"begun"`
	Ended         *time.Time        `json:"ended,omitempty"`
	Import        *fhirmsg.ImportID `json:"import,omitempty"`
	ImportState   State             `json:"import_state,omitempty"` // "": no fetcher has accepted it yet
	Seen          int64             `json:"seen"`                   // resources that the import has read so far
	Counts        Counts            `json:"counts"`                 // what became of them
	RejectedLines int64             `json:"rejected_lines"`         // rejected before it was known that they are resources; not in Seen and Counts

	Since      *time.Time `json:"since,omitempty"`       // of an export: changes since then were asked for; nil: all
	Joined     int        `json:"joined,omitempty"`      // patients that joined, of whom all was asked for besides
	MaxDeletes *string    `json:"max_deletes,omitempty"` // what the source lacks is deleted, up to this; nil: it is not
	Snapshot   *Snapshot  `json:"snapshot,omitempty"`    // what became of that
	Notices    []string   `json:"notices,omitempty"`     // what was noticed that is no failure

	request *fhirmsg.ImportRequest
}

// Unpublished is the request for the import of a run of [Ledger.SyncRunsToWork]; nil: it is to be asked for first.
func (r SyncRun) Unpublished() *fhirmsg.ImportRequest {
	if r.State != SyncImporting {
		return nil
	}
	return r.request
}

func (l *Ledger) runs(ctx context.Context, where string, args ...any) ([]SyncRun, error) {
	rows, err := l.pool.Query(ctx, `SELECT r.sync, r.due, r.manual, r.whole, r.state, r.reason, r.begun, r.ended, r.import, coalesce(i.state, ''),
			coalesce(t.seen, 0), coalesce(t.inserted, 0), coalesce(t.updated, 0), coalesce(t.unchanged, 0), coalesce(t.stale, 0), coalesce(t.deleted, 0),
			coalesce(t.skipped, 0), coalesce(t.rejected, 0), coalesce(t.discarded, 0), coalesce(t.cancelled, 0), coalesce(t.conflicts, 0), coalesce(t.lines_rejected, 0), r.request,
			r.since, r.joined, r.max_deletes, i.snapshot, r.notices || ARRAY(SELECT n.note FROM stoker.note n WHERE n.import = r.import ORDER BY n.note COLLATE "C")
		FROM stoker.sync_run r LEFT JOIN stoker.import i ON i.id = r.import LEFT JOIN LATERAL stoker.totals(i.id) t ON i.id IS NOT NULL WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r SyncRun, err error) {
		var id *[16]byte
		c := &r.Counts
		err = row.Scan(&r.Sync, &r.Due, &r.Manual, &r.Full, &r.State, &r.Reason, &r.Begun, &r.Ended, &id, &r.ImportState,
			&r.Seen, &c.Inserted, &c.Updated, &c.Unchanged, &c.Stale, &c.Deleted,
			&c.Skipped, &c.Rejected, &c.Discarded, &c.Cancelled, &c.Conflicts, &r.RejectedLines, &r.request,
			&r.Since, &r.Joined, &r.MaxDeletes, &r.Snapshot, &r.Notices)
		r.Import = (*fhirmsg.ImportID)(id)
		return r, err
	})
}

// NoticeCounts adds to a run's notices that files have another number of resources than announced.
func (l *Ledger) NoticeCounts(ctx context.Context, r *SyncRun) error {
	if r.Import == nil {
		return nil
	}
	var files []FileStatus
	if err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) (err error) {
		files, err = fileStatus(ctx, tx, *r.Import)
		return err
	}); err != nil {
		return fmt.Errorf("files of a run of sync %s: %w", r.Sync, err)
	}
	differ := 0
	for _, f := range files {
		if f.Differs {
			differ++
		}
	}
	if differ > 0 {
		r.Notices = append(r.Notices, fmt.Sprintf("%d of %d files have another number of resources than the server says", differ, len(files)))
	}
	return nil
}

// askAgain is after how long a request that no fetcher has accepted is published again, as it may be lost with its queue.
const askAgain = 10 * time.Minute

// SyncRunsToWork are the runs whose source is to be asked, or whose request is to be published.
func (l *Ledger) SyncRunsToWork(ctx context.Context) ([]SyncRun, error) {
	rows, err := l.pool.Query(ctx, `SELECT sync, due, whole, max_deletes, state, begun, request FROM stoker.sync_run r
		WHERE ended IS NULL AND (NOT published OR asked < clock_timestamp() - $1::interval
			AND NOT EXISTS (SELECT FROM stoker.import i WHERE i.id = r.import)) ORDER BY due, sync`, askAgain)
	if err != nil {
		return nil, fmt.Errorf("runs of syncs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r SyncRun, err error) {
		err = row.Scan(&r.Sync, &r.Due, &r.Full, &r.MaxDeletes, &r.State, &r.Begun, &r.request)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("runs of syncs: %w", err)
	}
	return runs, nil
}

// keptRuns is how many runs of a sync are kept.
const keptRuns = 500

// BeginDueSyncs begins a run of each sync that is due and has none under way, once, however many processes ask.
// The next is due after now: runs that were missed are made up by this one.
func (l *Ledger) BeginDueSyncs(ctx context.Context, now time.Time) error {
	var unclear []error
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT s.name FROM stoker.sync s WHERE s.due <= $1 AND NOT s.paused
			AND NOT EXISTS (SELECT FROM stoker.sync_run r WHERE r.sync = s.name AND r.ended IS NULL) FOR UPDATE SKIP LOCKED`, now)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			s, err := findSync(ctx, tx, name, now)
			if err != nil {
				return err
			}
			next, err := nextOf(s.Sync, now)
			if err != nil { // the others are not to wait for it
				unclear = append(unclear, fmt.Errorf("sync %s: %w", name, err))
				continue
			}
			if _, err := beginRun(ctx, tx, s, *s.Next, false, false, nil, now); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE stoker.sync SET due = $2 WHERE name = $1`, name, next); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = errors.Join(unclear...)
	}
	if err != nil {
		return fmt.Errorf("begin syncs that are due: %w", err)
	}
	return nil
}

// RunSync begins a run by hand, also of a sync that is paused; full asks for all of the source, whatever was imported
// before. Errors: [ErrNoSync], and [ErrSyncState] where a run is under way.
func (l *Ledger) RunSync(ctx context.Context, name string, full bool, now time.Time) error {
	return l.changeSync(ctx, name, "run", func(tx pgx.Tx, s Sync) error {
		begun, err := beginRun(ctx, tx, s, now, true, full, nil, now)
		if err == nil && !begun {
			err = refuse(ErrSyncState, "a run of it is under way; see: stoker sync show %s", name)
		}
		return err
	})
}

func beginRun(ctx context.Context, tx pgx.Tx, s Sync, due time.Time, manual, full bool, maxDeletes *string, now time.Time) (begun bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO stoker.sync_run (sync, due, generation, manual, whole, state, begun, max_deletes)
		VALUES ($1, $2, $3, $4, $5, 'asking', $6, $7) ON CONFLICT DO NOTHING`, s.Name, due, s.generation, manual, full, now, maxDeletes)
	if err != nil || tag.RowsAffected() == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM stoker.sync_run WHERE sync = $1 AND ended IS NOT NULL AND due <
		(SELECT min(due) FROM (SELECT due FROM stoker.sync_run WHERE sync = $1 ORDER BY due DESC LIMIT $2) kept)`, s.Name, keptRuns)
	return true, err
}

// importOf is the id of a run's import: of the sync, of when the run was due, and of what was found, so that what is asked for
// again is the same import if it is the same, also after a restore of the database. No key that a request may have is
// like it.
func importOf(s Sync, due time.Time, cursor json.RawMessage) fhirmsg.ImportID {
	key := fmt.Sprintf("\x00sync\x00%s\x00%d\x00%d\x00%s", s.Name, micros(s.Created), micros(due), fhirmsg.HashOf(cursor))
	return fhirmsg.ImportIDFromKey(s.Supplier, key)
}

// PublishedSyncRun records that the request for a run's import is in the queue.
func (l *Ledger) PublishedSyncRun(ctx context.Context, r SyncRun) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.sync_run SET published = true, asked = clock_timestamp() WHERE sync = $1 AND due = $2`, r.Sync, r.Due)
	if err != nil {
		return fmt.Errorf("run of sync %s: %w", r.Sync, err)
	}
	return nil
}

// reportsErrors is whether the server of a run of kind export, of the sync s and the import i, reports errors of its own work. What it did
// not export then is in none of the files, and would not be asked for again.
const reportsErrors = `s.kind = 'export' AND s.definition->'export'->'accept_errors' IS DISTINCT FROM 'true'
	AND EXISTS (SELECT FROM stoker.note n WHERE n.import = i.id AND n.note ^@ ANY(ARRAY['` + NoteOutcome + `error', '` + NoteOutcome + `fatal']))`

// settleRuns ends runs, of whose requests nothing is kept: they may have secrets and ids of patients. The transaction time of an export becomes part of the cursor; one that is more than a day ahead of the time here
// would keep all that changes until then from being asked for, and counts as the time when the import was accepted.
const settleRuns = `WITH settled AS (
		SELECT r.sync, r.due, r.generation, i.state AS import_state, i.reason AS import_reason, ` + reportsErrors + ` AS errors,
			CASE WHEN s.kind <> 'export' OR x.at IS NULL THEN r.cursor
				ELSE r.cursor || jsonb_build_object('time', CASE WHEN x.at > i.issued + interval '1 day' THEN i.issued ELSE x.at END) END AS cursor
		FROM stoker.sync_run r JOIN stoker.sync s ON s.name = r.sync JOIN stoker.import i ON i.id = r.import
			LEFT JOIN stoker.export x ON x.import = i.id AND x.source = $2
		WHERE r.ended IS NULL AND r.state = 'importing' AND i.state IN ('complete', 'failed', 'cancelled')
		FOR UPDATE OF r
	), ended AS (
		UPDATE stoker.sync_run r SET ended = $1, cursor = NULL, request = NULL,
			state = CASE WHEN o.import_state = 'complete' AND NOT o.errors THEN 'complete' ELSE 'failed' END,
			reason = CASE
				WHEN o.import_state = 'cancelled' THEN 'its import was cancelled'
				WHEN o.import_state = 'failed' THEN coalesce(nullif(o.import_reason, ''), 'its import failed')
				WHEN o.errors THEN concat_ws('. ', nullif(o.import_reason, ''), 'all files were imported, but the server reports errors of its own export, so it may not be all; the next run asks for the same time again')
				ELSE o.import_reason END
		FROM settled o WHERE r.sync = o.sync AND r.due = o.due
		RETURNING r.sync, r.due, r.state, r.reason, r.generation, o.cursor
	), moved AS (
		UPDATE stoker.sync s SET cursor = coalesce(e.cursor, s.cursor) FROM ended e
		WHERE e.state = 'complete' AND s.name = e.sync AND s.generation = e.generation
	)
	SELECT sync, due, state, reason FROM ended`

// SettleSyncRuns ends the runs whose imports have ended, and returns them. Only here does what is known of a source move, by
// an import that is complete.
func (l *Ledger) SettleSyncRuns(ctx context.Context, now time.Time) ([]SyncRun, error) {
	rows, err := l.pool.Query(ctx, settleRuns, now, ExportChanges)
	if err != nil {
		return nil, fmt.Errorf("end runs of syncs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r SyncRun, err error) {
		err = row.Scan(&r.Sync, &r.Due, &r.State, &r.Reason)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("end runs of syncs: %w", err)
	}
	return runs, nil
}
