package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Snapshot is the step after which a supplier's rows are what a delivery has: those that it lacks are deleted. They
// are counted among the import's deletions, in a file of its own.
type Snapshot struct {
	State      SnapshotState    `json:"state"`
	Reason     string           `json:"reason,omitempty"`        // why it is as it is, or what it waits for
	Types      []string         `json:"types,omitempty"`         // only rows of these; empty: of all types
	MaxDeletes string           `json:"max_deletes"`             // see [fhirmsg.ParseDeleteLimit]
	Before     int64            `json:"rows_before"`             // that the supplier had before the import
	Lacks      int64            `json:"lacks"`                   // of these, what the delivery lacks
	ByType     map[string]int64 `json:"lacks_by_type,omitempty"` // the same
	Newer      int64            `json:"newer,omitempty"`         // lacked as well, but changed after the snapshot was taken, and left alone
	File       *int32           `json:"file,omitempty"`          // index of the file that has the deletions
	Decided    *time.Time       `json:"decided,omitempty"`       // when that was
	Deleted    int64            `json:"deleted"`                 // so far; not stored here but added up
	Settled    int64            `json:"settled_otherwise"`       // of Lacks: newer by then, cancelled or discarded
}

// SnapshotState is how the step of a snapshot stands.
type SnapshotState string

// The states: pending → deleting → applied, or pending → refused | not applied; refused → pending, when it is confirmed.
const (
	SnapshotPending    SnapshotState = "pending"
	SnapshotDeleting   SnapshotState = "deleting"    // decided, not all of it is in the queue yet
	SnapshotApplied    SnapshotState = "applied"     // all of it is in the queue; the import ends when it is stored
	SnapshotRefused    SnapshotState = "refused"     // more than may be deleted
	SnapshotNotApplied SnapshotState = "not applied" // it cannot be known what the delivery lacks
)

// KindAbsent is the kind of the file that has a snapshot's deletions, and nameAbsent its name.
const (
	KindAbsent = "absent"
	nameAbsent = "absent from the snapshot"
)

// AbsentFile is the file of an import that has its snapshot's deletions. There is nothing to read of it.
func AbsentFile(index int32) fhirmsg.ListedFile {
	return fhirmsg.ListedFile{File: index, Name: nameAbsent, Locator: json.RawMessage("null"), Size: -1, State: "closed", Kind: KindAbsent}
}

// newSnapshot is the step of a request that was accepted, or nil.
func newSnapshot(req fhirmsg.ImportRequest) *Snapshot {
	if !req.IsSnapshot() {
		return nil
	}
	return &Snapshot{State: SnapshotPending, Types: req.SnapshotTypes, MaxDeletes: req.MaxDeletes}
}

// SnapshotStep is a snapshot that is to be decided.
type SnapshotStep struct {
	Import fhirmsg.Import
	Snapshot
	Until int64 // rows with this stamp, in microseconds since 1970, or a later one are left alone

	next  int64 // offset of the next batch of deletions
	lines int64 // deletions before it
}

// SnapshotsPending returns imports whose step may be decided now: all of them is stored.
func (l *Ledger) SnapshotsPending(ctx context.Context) ([]fhirmsg.ImportID, error) {
	return l.importIDs(ctx, `SELECT i.id FROM stoker.import i, LATERAL stoker.totals(i.id) t
		WHERE i.snapshot->>'state' = 'pending' AND i.state = 'draining' AND t.settled ORDER BY i.issued`)
}

// SnapshotsDeleting returns imports of whose deletions some may not be in the queue yet.
func (l *Ledger) SnapshotsDeleting(ctx context.Context) ([]fhirmsg.ImportID, error) {
	return l.importIDs(ctx, `SELECT id FROM stoker.import WHERE snapshot->>'state' = 'deleting' ORDER BY issued`)
}

func (l *Ledger) importIDs(ctx context.Context, sql string, args ...any) ([]fhirmsg.ImportID, error) {
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (fhirmsg.ImportID, error) {
		var id [16]byte
		err := row.Scan(&id)
		return id, err
	})
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	return ids, nil
}

// TakeSnapshot reads a snapshot that is to be decided, and keeps others from deciding one of its supplier until the end of the
// transaction. It is nil where there is nothing to decide now: others do, or the import waits for earlier ones of its
// supplier, which is stated then. Where it cannot be known what the delivery lacks, its state is [SnapshotNotApplied].
// The caller holds the dataset's lock, and ends with [SnapshotStep.Decide].
func TakeSnapshot(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (*SnapshotStep, error) {
	var mine bool
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('stoker:snapshot:' || dataset || ':' || supplier, 0))
			FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&mine); err != nil || !mine {
		return nil, notFound(err)
	}
	s := SnapshotStep{}
	var settled bool
	err := tx.QueryRow(ctx, `SELECT i.pins, i.snapshot, t.settled AND i.state = 'draining' AND i.snapshot->>'state' = 'pending',
			coalesce((i.pins->>'as_of')::bigint, (SELECT (extract(epoch FROM min(f.as_of)) * 1000000)::bigint
				FROM stoker.file f WHERE f.import = i.id AND f.kind <> 'outcome'), (i.pins->>'issued')::bigint)
		FROM stoker.import i, LATERAL stoker.totals(i.id) t WHERE i.id = $1`, [16]byte(id)).Scan(&s.Import, &s.Snapshot, &settled, &s.Until)
	if err != nil || !settled {
		return nil, notFound(err)
	}
	s.Until = min(s.Until, s.Import.Issued)
	wait, refusal, err := snapshotObstacle(ctx, tx, s)
	switch {
	case err != nil:
		return nil, err
	case wait != "" && wait != s.Reason:
		s.Reason = wait
		return nil, s.store(ctx, tx)
	case wait != "":
		return nil, nil
	case refusal != "":
		s.State, s.Reason = SnapshotNotApplied, refusal
		return &s, nil
	}
	s.Reason = ""
	return &s, s.place(ctx, tx)
}

// place finds where the step's deletions are stated: in a file behind all others. Where the database was restored
// in the middle of the step, it is decided anew, and what was stated before stays.
func (s *SnapshotStep) place(ctx context.Context, tx pgx.Tx) error {
	var file int32
	err := tx.QueryRow(ctx, `SELECT coalesce(min(file) FILTER (WHERE kind = $2), max(file) + 1, 0) FROM stoker.file WHERE import = $1`,
		[16]byte(s.Import.ID), KindAbsent).Scan(&file)
	if err != nil {
		return err
	}
	s.File = &file
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(f.off + f.length), 0)::bigint, (SELECT coalesce(sum(entries), 0)::bigint FROM stoker.parsed WHERE import = $1 AND file = $2)
		FROM stoker.fetched f WHERE f.import = $1 AND f.file = $2`, [16]byte(s.Import.ID), file).Scan(&s.next, &s.lines); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM stoker.absent WHERE import = $1`, [16]byte(s.Import.ID))
	return err
}

// FirstLine is the number of the first deletion of the next batch, within the step's file, from 1.
func (s *SnapshotStep) FirstLine() int64 { return s.lines + 1 }

// Pin states a batch of deletions, to be published once the step is decided: from then on the import misses them.
// The caller sets the type, the number of rows and the body.
func (s *SnapshotStep) Pin(ctx context.Context, tx pgx.Tx, b fhirmsg.Batch) error {
	b = s.batch(b, s.next)
	if _, err := tx.Exec(ctx, `INSERT INTO stoker.absent (import, off, type, rows, records) VALUES ($1, $2, $3, $4, $5)`,
		[16]byte(s.Import.ID), b.Offset, b.Type, b.Rows, b.Body); err != nil {
		return fmt.Errorf("pin deletions: %w", err)
	}
	if err := recordParsed(ctx, tx, []fhirmsg.Statement{AbsentStatement(b)}); err != nil {
		return err
	}
	s.next, s.lines = s.next+b.Length, s.lines+int64(b.Rows)
	return nil
}

func (s *SnapshotStep) batch(b fhirmsg.Batch, offset int64) fhirmsg.Batch {
	b.Import, b.Place = s.Import, fhirmsg.Place{File: *s.File, Offset: offset, Length: int64(len(b.Body))}
	b.Seal()
	return b
}

// AbsentStatement is what a parser would state of a batch of deletions: entries of no line.
func AbsentStatement(b fhirmsg.Batch) fhirmsg.Statement {
	return fhirmsg.Statement{Import: b.Import, Place: b.Place, Entries: int64(b.Rows), Fingerprint: fhirmsg.HashOf(b.Fingerprint[:])}
}

// Decide states how the step was decided. Nothing of it holds where the import was cancelled meanwhile: [ErrState].
func (s *SnapshotStep) Decide(ctx context.Context, tx pgx.Tx) error {
	now := time.Now().UTC()
	s.Decided = &now
	if s.State == SnapshotDeleting {
		f := AbsentFile(*s.File)
		if _, err := tx.Exec(ctx, insertFile, [16]byte(s.Import.ID), f.File, f.Name, f.Type, f.Locator, f.Size, f.State, f.Reason, f.Kind, f.Count, f.AsOf, f.Subsetted); err != nil {
			return fmt.Errorf("state the file of a snapshot's deletions: %w", err)
		}
	} else if s.lines == 0 {
		s.File = nil
	}
	if s.State != SnapshotRefused {
		// What earlier snapshots would need to be confirmed is of no use after this one.
		if _, err := tx.Exec(ctx, `DELETE FROM stoker.mentioned WHERE import = ANY(ARRAY(SELECT $1::uuid UNION ALL
				SELECT id FROM stoker.import WHERE $4 AND dataset = $2 AND supplier = $3 AND snapshot->>'state' = 'refused' AND issued < $5))`,
			[16]byte(s.Import.ID), s.Import.Dataset, s.Import.Supplier, s.State != SnapshotNotApplied, time.UnixMicro(s.Import.Issued)); err != nil {
			return fmt.Errorf("forget what a snapshot has: %w", err)
		}
	}
	return s.store(ctx, tx)
}

// store keeps the step as it is.
func (s *SnapshotStep) store(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `UPDATE stoker.import SET snapshot = $2 WHERE id = $1 AND state = 'draining' AND snapshot->>'state' = 'pending'`,
		[16]byte(s.Import.ID), s.Snapshot)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrState
	}
	if err != nil {
		return fmt.Errorf("state the snapshot of import %s: %w", s.Import.ID, err)
	}
	return nil
}

// NextAbsent returns the next batch of deletions that may not be in the queue yet; nil where there is none.
func (l *Ledger) NextAbsent(ctx context.Context, id fhirmsg.ImportID) (*fhirmsg.Batch, error) {
	rows, err := l.pool.Query(ctx, `SELECT i.pins, i.snapshot, a.off, a.type, a.rows, a.records FROM stoker.absent a JOIN stoker.import i ON i.id = a.import
		WHERE a.import = $1 ORDER BY a.off LIMIT 1`, [16]byte(id))
	if err != nil {
		return nil, fmt.Errorf("deletions of import %s: %w", id, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (fhirmsg.Batch, error) {
		var s SnapshotStep
		var b fhirmsg.Batch
		var offset int64
		err := row.Scan(&s.Import, &s.Snapshot, &offset, &b.Type, &b.Rows, &b.Body)
		if err == nil && s.File == nil {
			err = fmt.Errorf("the step has no file")
		}
		if err != nil {
			return b, err
		}
		return s.batch(b, offset), nil
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// AbsentPublished notes that a batch of deletions is in the queue.
func (l *Ledger) AbsentPublished(ctx context.Context, b fhirmsg.Batch) error {
	_, err := l.pool.Exec(ctx, `DELETE FROM stoker.absent WHERE import = $1 AND off = $2`, [16]byte(b.Import.ID), b.Offset)
	if err != nil {
		return fmt.Errorf("note that deletions are queued: %w", err)
	}
	return nil
}

// EndSnapshot states that all deletions are in the queue. The import ends when they are stored.
func (l *Ledger) EndSnapshot(ctx context.Context, id fhirmsg.ImportID) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.import SET snapshot = jsonb_set(snapshot, '{state}', '"applied"')
		WHERE id = $1 AND snapshot->>'state' = 'deleting' AND NOT EXISTS (SELECT FROM stoker.absent WHERE import = $1)`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("end the snapshot of import %s: %w", id, err)
	}
	return nil
}

// restoredSnapshot is the step of an import whose row is made again: to be decided anew where that was under way, as what
// was decided and not published is lost with the database, or where all of the import comes anew.
func restoredSnapshot(stated json.RawMessage, anew bool) (json.RawMessage, error) {
	if len(stated) == 0 {
		return nil, nil
	}
	var s Snapshot
	if err := json.Unmarshal(stated, &s); err != nil {
		return nil, fmt.Errorf("statement of a snapshot: %w", err)
	}
	if s.State == SnapshotDeleting || anew {
		s.State, s.Reason = SnapshotPending, ""
	}
	return json.Marshal(s)
}

// addSnapshot adds up what became of a snapshot's deletions.
func (s *Status) addSnapshot(ctx context.Context, tx pgx.Tx) error {
	if s.Snapshot == nil {
		return nil
	}
	if s.Snapshot.State == SnapshotPending && s.State.Ended() {
		s.Snapshot.State, s.Snapshot.Reason = SnapshotNotApplied, "the import was "+string(s.State)+" before"
	}
	if s.Snapshot.File == nil {
		return nil
	}
	if s.State == StateCancelled {
		s.Snapshot.Reason = "the import was cancelled meanwhile; what was not deleted by then stays"
	}
	return tx.QueryRow(ctx, `SELECT coalesce(sum(deleted), 0)::bigint, coalesce(sum(unchanged + stale + skipped + rejected + discarded + cancelled), 0)::bigint
		FROM stoker.written WHERE import = $1 AND file = $2`, [16]byte(s.Import), *s.Snapshot.File).Scan(&s.Snapshot.Deleted, &s.Snapshot.Settled)
}

// RecordMentioned keeps keys of a type that a snapshot has, within the transaction that stores its resources. They are sorted.
func RecordMentioned(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID, resourceType string, ids []string) error {
	_, err := tx.Exec(ctx, `INSERT INTO stoker.mentioned (import, type, id) SELECT $1, $2, u.id FROM unnest($3::text[]) AS u(id) ON CONFLICT DO NOTHING`,
		[16]byte(id), resourceType, ids)
	if err != nil {
		return fmt.Errorf("keep what a snapshot has: %w", err)
	}
	return nil
}

// SweepMentioned forgets the keys of snapshots that are not decided any more: cancelled, discarded, or decided while a
// writer still had a part of theirs in hand. It may be called by several processes at once.
func (l *Ledger) SweepMentioned(ctx context.Context) error {
	// One look into the index for each import that has keys there, however many.
	_, err := l.pool.Exec(ctx, `WITH RECURSIVE kept AS (
			(SELECT import FROM stoker.mentioned ORDER BY import LIMIT 1)
			UNION ALL SELECT (SELECT m.import FROM stoker.mentioned m WHERE m.import > k.import ORDER BY m.import LIMIT 1) FROM kept k WHERE k.import IS NOT NULL)
		DELETE FROM stoker.mentioned WHERE import = ANY(ARRAY(SELECT k.import FROM kept k JOIN stoker.import i ON i.id = k.import
			WHERE i.state = 'cancelled' OR i.snapshot->>'state' NOT IN ('pending', 'refused')
				OR EXISTS (SELECT FROM stoker.discard d WHERE d.import = i.id AND d.file = $1)))`, AllFiles)
	if err != nil {
		return fmt.Errorf("forget what snapshots have: %w", err)
	}
	return nil
}
