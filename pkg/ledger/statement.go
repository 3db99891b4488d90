package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Counts says what became of resources.
type Counts struct {
	Inserted  int64 `json:"inserted"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Stale     int64 `json:"stale"`
	Deleted   int64 `json:"deleted"`
	Skipped   int64 `json:"skipped"`
	Rejected  int64 `json:"rejected"`
	Discarded int64 `json:"discarded"`
	Cancelled int64 `json:"cancelled"`
	Conflicts int64 `json:"conflicts"` // of the updated and the stale
	Foreign   int64 `json:"foreign"`   // that replaced what another supplier had delivered
}

// Outcome is the letter that the ledger keeps for one resource of a batch.
type Outcome byte

// The outcomes. Repeated is a resource that was there already under the same version: the
// message was delivered before, and its statement stands.
const (
	Inserted  Outcome = 'i'
	Updated   Outcome = 'u'
	Unchanged Outcome = '='
	Stale     Outcome = 's'
	Deleted   Outcome = 'd'
	Skipped   Outcome = 'k'
	Rejected  Outcome = 'r'
	Discarded Outcome = 'x'
	Cancelled Outcome = 'c'
	Repeated  Outcome = '.'

	Revived Outcome = 'v' // inserted in place of a deletion; counted as inserted
)

// String is the outcome's word.
func (o Outcome) String() string {
	switch o {
	case Inserted, Revived:
		return "inserted"
	case Updated:
		return "updated"
	case Unchanged:
		return "unchanged"
	case Stale:
		return "stale"
	case Deleted:
		return "deleted"
	case Skipped:
		return "skipped"
	case Rejected:
		return "rejected"
	case Discarded:
		return "discarded"
	case Cancelled:
		return "cancelled"
	default:
		return "repeated"
	}
}

// Add counts one resource.
func (c *Counts) Add(o Outcome) {
	switch o {
	case Inserted, Revived:
		c.Inserted++
	case Updated:
		c.Updated++
	case Unchanged:
		c.Unchanged++
	case Stale:
		c.Stale++
	case Deleted:
		c.Deleted++
	case Skipped:
		c.Skipped++
	case Rejected:
		c.Rejected++
	case Discarded:
		c.Discarded++
	case Cancelled:
		c.Cancelled++
	case Repeated:
	}
}

// Written states what became of a batch.
type Written struct {
	Batch    fhirmsg.BatchHeader
	Counts   Counts
	Outcomes []byte // an [Outcome] for each resource, in the batch's order
}

// Plus adds other counts.
func (c *Counts) Plus(d Counts) {
	c.Inserted += d.Inserted
	c.Updated += d.Updated
	c.Unchanged += d.Unchanged
	c.Stale += d.Stale
	c.Deleted += d.Deleted
	c.Skipped += d.Skipped
	c.Rejected += d.Rejected
	c.Discarded += d.Discarded
	c.Cancelled += d.Cancelled
	c.Conflicts += d.Conflicts
	c.Foreign += d.Foreign
}

// Total is how many resources were counted.
func (c Counts) Total() int64 {
	return c.Inserted + c.Updated + c.Unchanged + c.Stale + c.Deleted + c.Skipped + c.Rejected + c.Discarded + c.Cancelled
}

// RecordWritten states batches within the transaction that stores them. fresh tells which of them
// were not stated before.
func RecordWritten(ctx context.Context, tx pgx.Tx, written []Written) (fresh []bool, err error) {
	fresh = make([]bool, len(written))
	batch := &pgx.Batch{}
	for i, w := range written {
		c := w.Counts
		batch.Queue(`INSERT INTO stoker.written AS w (import, file, off, type, part, fingerprint, inserted, updated, unchanged,
			stale, deleted, skipped, rejected, discarded, cancelled, conflicts, outcomes, foreign_rows)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
			ON CONFLICT (import, file, off, type, part) DO UPDATE SET divergent = true
			WHERE w.fingerprint <> excluded.fingerprint AND NOT w.divergent`,
			[16]byte(w.Batch.Import.ID), w.Batch.File, w.Batch.Offset, w.Batch.Type, w.Batch.Part, [16]byte(w.Batch.Fingerprint),
			c.Inserted, c.Updated, c.Unchanged, c.Stale, c.Deleted, c.Skipped, c.Rejected, c.Discarded, c.Cancelled, c.Conflicts, w.Outcomes, c.Foreign).
			Exec(func(tag pgconn.CommandTag) error { fresh[i] = tag.RowsAffected() == 1; return nil })
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("state written batches: %w", err)
	}
	return fresh, nil
}

// RecordParsed states what parsers made of chunks.
func (l *Ledger) RecordParsed(ctx context.Context, statements []fhirmsg.Statement) error {
	return recordParsed(ctx, l.pool, statements)
}

type batchSender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func recordParsed(ctx context.Context, to batchSender, statements []fhirmsg.Statement) error {
	// In order: several writers record at once, and fetchers state the same chunks.
	statements = slices.Clone(statements)
	slices.SortFunc(statements, func(a, b fhirmsg.Statement) int {
		return cmp.Or(bytes.Compare(a.Import.ID[:], b.Import.ID[:]), cmp.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset))
	})
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(`INSERT INTO stoker.parsed AS p (import, file, off, fingerprint, lines, blank, control, rejected, plain,
			bundles, entries, entries_rejected, ignored, clamped, issues)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
			ON CONFLICT (import, file, off) DO UPDATE SET divergent = true
			WHERE p.fingerprint <> excluded.fingerprint AND NOT p.divergent`,
			[16]byte(s.Import.ID), s.File, s.Offset, [16]byte(s.Fingerprint), s.Lines, s.Blank, s.Control, s.Rejected, s.Plain,
			s.Bundles, s.Entries, s.EntriesRejected, s.Ignored, s.Clamped, s.Issues)
		queueIssues(batch, s)
		queueProfiles(batch, s)
		// What was parsed was fetched, also where the fetcher ended before it could say so and
		// the file was gone when it came back.
		batch.Queue(`INSERT INTO stoker.fetched (import, file, off, length, lines) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (import, file, off) DO NOTHING`, [16]byte(s.Import.ID), s.File, s.Offset, s.Length, s.Lines)
	}
	if err := to.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("state parsed chunks: %w", err)
	}
	return nil
}

// RecordRejects keeps what could not be taken, and what was found in what was stored all the
// same.
func (l *Ledger) RecordRejects(ctx context.Context, groups []fhirmsg.Rejects) error {
	batch := &pgx.Batch{}
	for _, group := range groups {
		for _, r := range group.Items {
			args, err := rejectArgs(group.Import.ID, group.File, r)
			if err != nil {
				return err
			}
			batch.Queue(insertReject, args...)
		}
	}
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("keep rejects: %w", err)
	}
	return nil
}

// RecordReject keeps, within a writer's transaction, what PostgreSQL refused. Its issues are
// counted with it, since no parser's statement has them.
func RecordReject(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID, file int32, r fhirmsg.Reject) error {
	args, err := rejectArgs(id, file, r)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, insertReject, args...)
	if err != nil {
		return fmt.Errorf("keep a reject: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil // the batch came before
	}
	for _, i := range r.Issues {
		_, err := tx.Exec(ctx, `INSERT INTO stoker.issue AS i (import, file, off, severity, code, expression, diagnostics, count, line)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)
			ON CONFLICT (import, file, off, severity, code, expression) DO UPDATE SET count = i.count + 1`,
			[16]byte(id), file, -r.Line, i.Severity, i.Code, i.Expression, i.Diagnostics, r.Line)
		if err != nil {
			return fmt.Errorf("count an issue: %w", err)
		}
	}
	return nil
}

// insertReject keeps a reject once, unless its import's were removed already, as where a message comes again after a
// restore. What was reported as stored becomes a reject where a writer could not store it after all.
const insertReject = `INSERT INTO stoker.reject AS r (import, file, line, entry, off, type, id, issues, raw, cut, stored, resource)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
		WHERE NOT EXISTS (SELECT FROM stoker.import WHERE id = $1 AND swept IS NOT NULL)
	ON CONFLICT (import, file, line, entry) DO UPDATE
	SET stored = false, raw = excluded.raw, cut = excluded.cut, issues = excluded.issues || r.issues
	WHERE r.stored AND NOT excluded.stored`

func rejectArgs(id fhirmsg.ImportID, file int32, r fhirmsg.Reject) ([]any, error) {
	issues, err := json.Marshal(r.Issues)
	if err != nil {
		return nil, fmt.Errorf("encode issues: %w", err)
	}
	raw := r.Raw
	if raw == nil {
		raw = []byte{} // of what was stored
	}
	return []any{[16]byte(id), file, r.Line, r.Entry, r.Offset, r.Type, r.ID, issues, raw, r.Cut, r.Stored, r.Resource}, nil
}

// EnsureImport makes rows of imports that messages tell of and the ledger lacks, as after
// a restore from a backup, and returns how the imports and the dataset stand that they are
// written to.
func EnsureImport(ctx context.Context, tx pgx.Tx, dataset string, imports []fhirmsg.Import) (Standing, error) {
	standing := Standing{cancelled: map[fhirmsg.ImportID]bool{}, discarded: map[fhirmsg.ImportID][]int32{}, settled: map[fhirmsg.ImportID]bool{}}
	ids := make([][16]byte, len(imports))
	for i, imp := range imports {
		ids[i] = imp.ID
	}
	rows, err := tx.Query(ctx, `SELECT u.id, i.state, ARRAY(SELECT file FROM stoker.discard d WHERE d.import = u.id),
			EXISTS (SELECT FROM stoker.history h WHERE h.dataset = $2), coalesce(i.snapshot->>'state' IN ('deleting', 'applied', 'not applied'), false),
			(SELECT at FROM stoker.dropped p WHERE p.dataset = $2)
		FROM unnest($1::uuid[]) AS u(id) LEFT JOIN stoker.import i ON i.id = u.id`, ids, dataset)
	if err != nil {
		return standing, fmt.Errorf("states of imports: %w", err)
	}
	known := map[fhirmsg.ImportID]bool{}
	var id [16]byte
	var state *State
	var discarded []int32
	var settled bool
	var dropped *time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &state, &discarded, &standing.History, &settled, &dropped}, func() error {
		standing.settled[id] = settled
		known[id] = state != nil
		standing.cancelled[id] = state != nil && *state == StateCancelled
		standing.discarded[id] = discarded
		return nil
	}); err != nil {
		return standing, fmt.Errorf("states of imports: %w", err)
	}
	for _, imp := range imports {
		if imp.Dataset == dataset && dropped != nil && imp.AcceptedAt() <= micros(*dropped) {
			standing.cancelled[imp.ID] = true
		}
		if known[imp.ID] {
			continue
		}
		if err := restore(ctx, tx, imp); err != nil {
			return standing, fmt.Errorf("make the row of import %s again: %w", imp.ID, err)
		}
	}
	return standing, nil
}
