package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// File is one file of an import, in the order that is pinned with its list.
type File struct {
	Index   int32
	Name    string          // for people
	Type    string          // declared type; "" is unknown
	Locator json.RawMessage // how the fetcher opens it again
	Reading json.RawMessage // the fetcher's validator and format; nil before the first chunk
	State   string          // waiting | open | closed | failed
	Reason  string          // why it failed
	Size    int64           // bytes at the source, -1 unknown

	// As a manifest says.
	Kind  string // [KindDeleted], [KindOutcome]; "" is resources
	Count *int64 // of resources; nil is unknown
	AsOf  *int64 // its transaction time, microseconds since 1970; nil is unknown

	Subsetted []string // types of which its resources are incomplete; see [fhirmsg.ChunkHeader]
}

// Kinds of files that are not plain resources.
const (
	KindDeleted = "deleted" // Bundles of deletions
	KindOutcome = "outcome" // what the supplier reports of its own work; not stored
)

// SkippedFile is something in a folder that was not taken.
type SkippedFile struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

const (
	insertFile = `INSERT INTO stoker.file (import, file, name, type, locator, size, state, reason, kind, count, as_of, subsetted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, '{}'::text[])) ON CONFLICT (import, file) DO NOTHING`
	insertSkipped = `INSERT INTO stoker.skipped (import, name, reason) VALUES ($1, $2, $3) ON CONFLICT (import, name) DO NOTHING`
)

// PinFiles stores the list of files before the first chunk, once: if a list is pinned
// already, that one is returned. The import's transaction time is then known: the earliest of its
// exports and manifests.
func (l *Ledger) PinFiles(ctx context.Context, id fhirmsg.ImportID, files []File, skipped []SkippedFile) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var pinned bool
		err := tx.QueryRow(ctx, `SELECT listed IS NOT NULL FROM stoker.import WHERE id = $1 FOR UPDATE`, [16]byte(id)).Scan(&pinned)
		if err != nil || pinned {
			return notFound(err)
		}
		batch := &pgx.Batch{}
		for _, f := range files {
			batch.Queue(insertFile, // what a restore has brought back stays
				[16]byte(id), f.Index, f.Name, f.Type, f.Locator, f.Size, f.State, f.Reason, f.Kind, f.Count, timeOf(f.AsOf), f.Subsetted)
		}
		for _, s := range skipped {
			batch.Queue(insertSkipped, [16]byte(id), s.Name, s.Reason)
		}
		batch.Queue(`UPDATE stoker.import SET listed = clock_timestamp(), transaction_time = (
				SELECT min(at) FROM (SELECT at FROM stoker.export WHERE import = $1
					UNION ALL SELECT as_of FROM stoker.file WHERE import = $1) t)
			WHERE id = $1`, [16]byte(id))
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("pin the files of import %s: %w", id, err)
	}
	return nil
}

// Files returns the pinned list, in order; pinned is false where there is none yet.
func (l *Ledger) Files(ctx context.Context, id fhirmsg.ImportID) (files []File, pinned bool, err error) {
	err = l.pool.QueryRow(ctx, `SELECT listed IS NOT NULL FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&pinned)
	if err != nil || !pinned {
		return nil, pinned, notFound(err)
	}
	rows, err := l.pool.Query(ctx, `SELECT file, name, type, locator, reading, state, reason, size, kind, count, as_of, subsetted
		FROM stoker.file WHERE import = $1 ORDER BY file`, [16]byte(id))
	if err != nil {
		return nil, true, fmt.Errorf("files of import %s: %w", id, err)
	}
	files, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (File, error) {
		var f File
		var asOf *time.Time
		err := row.Scan(&f.Index, &f.Name, &f.Type, &f.Locator, &f.Reading, &f.State, &f.Reason, &f.Size, &f.Kind, &f.Count, &asOf, &f.Subsetted)
		f.AsOf = microsOf(asOf)
		return f, err
	})
	if err != nil {
		return nil, true, fmt.Errorf("files of import %s: %w", id, err)
	}
	return files, true, nil
}

// ErrMaxImports is that a supplier has as many imports under way as its policy allows.
var ErrMaxImports = errors.New("the supplier has as many imports under way as it may")

// BeginFetch moves an accepted import to fetching and returns the state it is in now. An import waits
// for those of its supplier that were accepted before, where the policy limits how many there may
// be at once; one that is paused is not waited for. Errors: [ErrMaxImports], [ErrNotFound].
func (l *Ledger) BeginFetch(ctx context.Context, id fhirmsg.ImportID) (state State, err error) {
	err = l.pool.QueryRow(ctx, `UPDATE stoker.import AS i
		SET state = CASE WHEN state = 'accepted' AND (policy->'max_imports' IS NULL OR (policy->>'max_imports')::bigint > (
				SELECT count(*) FROM stoker.import o WHERE o.supplier = i.supplier AND o.issued < i.issued
				AND o.ended IS NULL AND o.state <> 'paused'))
			THEN 'fetching' ELSE state END
		WHERE id = $1 RETURNING state`, [16]byte(id)).Scan(&state)
	if err == nil && state == StateAccepted {
		err = ErrMaxImports
	}
	if err != nil {
		return state, fmt.Errorf("begin to fetch import %s: %w", id, notFound(err))
	}
	return state, nil
}

// OpenFile stores a file's reading state before its first chunk, and keeps the first.
func (l *Ledger) OpenFile(ctx context.Context, id fhirmsg.ImportID, index int32, reading json.RawMessage, size int64) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.file SET state = 'open', reading = coalesce(reading, $3), size = $4
		WHERE import = $1 AND file = $2 AND state IN ('waiting', 'open')`, [16]byte(id), index, reading, size)
	if err != nil {
		return fmt.Errorf("open file %d of import %s: %w", index, id, err)
	}
	return nil
}

// Fetched states that a chunk was published and acknowledged.
type Fetched struct {
	Offset, Length, Lines int64
}

// RecordFetched states chunks of one file, with the bytes read so far at its source, and
// returns the import's state, so that the fetcher learns of a pause or a cancellation. Errors: [ErrNotFound], also
// where the row was made again from messages after a restore: its fetcher has to begin again.
func (l *Ledger) RecordFetched(ctx context.Context, id fhirmsg.ImportID, index int32, read int64, chunks []Fetched) (State, error) {
	// In order, as RecordParsed does, so that the two never wait for each other.
	slices.SortFunc(chunks, func(a, b Fetched) int { return cmp.Compare(a.Offset, b.Offset) })
	offs, lengths, lines := make([]int64, len(chunks)), make([]int64, len(chunks)), make([]int64, len(chunks))
	for i, c := range chunks {
		offs[i], lengths[i], lines[i] = c.Offset, c.Length, c.Lines
	}
	var state State
	err := l.pool.QueryRow(ctx, `
		WITH stated AS (
			INSERT INTO stoker.fetched (import, file, off, length, lines)
			SELECT $1, $2, u.off, u.length, u.lines
			FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS u(off, length, lines)
			ON CONFLICT (import, file, off) DO NOTHING
		), progress AS (
			UPDATE stoker.file SET read = $6 WHERE import = $1 AND file = $2 AND read < $6
		)
		SELECT state FROM stoker.import WHERE id = $1 AND listed IS NOT NULL`,
		[16]byte(id), index, offs, lengths, lines, read).Scan(&state)
	if err != nil {
		return "", fmt.Errorf("state chunks of file %d of import %s: %w", index, id, notFound(err))
	}
	return state, nil
}

// ResumePoint returns where a file's chunks are known to reach without a gap: the offset
// of the next byte and the number of lines before it.
func (l *Ledger) ResumePoint(ctx context.Context, id fhirmsg.ImportID, index int32) (offset, lines int64, err error) {
	rows, err := l.pool.Query(ctx, `SELECT off, length, lines FROM stoker.fetched
		WHERE import = $1 AND file = $2 ORDER BY off`, [16]byte(id), index)
	if err != nil {
		return 0, 0, fmt.Errorf("resume file %d of import %s: %w", index, id, err)
	}
	defer rows.Close()
	for rows.Next() {
		var off, length, n int64
		if err := rows.Scan(&off, &length, &n); err != nil {
			return 0, 0, fmt.Errorf("resume file %d of import %s: %w", index, id, err)
		}
		if off != offset {
			break // a gap: what follows is published again, under the same ids
		}
		offset, lines = offset+length, lines+n
	}
	return offset, lines, rows.Err()
}

// FetchedOf adds up what was fetched of the files of an import that are at their end, in bytes after
// decompression and in lines.
func (l *Ledger) FetchedOf(ctx context.Context, id fhirmsg.ImportID) (bytes, lines int64, err error) {
	err = l.pool.QueryRow(ctx, `SELECT coalesce(sum(c.length), 0)::bigint, coalesce(sum(c.lines), 0)::bigint
		FROM stoker.fetched c JOIN stoker.file f USING (import, file)
		WHERE c.import = $1 AND f.state IN ('closed', 'failed')`, [16]byte(id)).Scan(&bytes, &lines)
	if err != nil {
		return 0, 0, fmt.Errorf("what was fetched of import %s: %w", id, err)
	}
	return bytes, lines, nil
}

// CloseFile states that a file was read to its end, or, with a reason, that it failed.
func (l *Ledger) CloseFile(ctx context.Context, id fhirmsg.ImportID, index int32, reason string) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.file
		SET state = CASE WHEN $3 = '' THEN 'closed' ELSE 'failed' END, reason = $3,
		    read = CASE WHEN $3 = '' AND size >= 0 THEN size ELSE read END
		WHERE import = $1 AND file = $2 AND state IN ('waiting', 'open')`, [16]byte(id), index, reason)
	if err != nil {
		return fmt.Errorf("close file %d of import %s: %w", index, id, err)
	}
	return nil
}

// CloseList states that every file of the import is closed or failed.
func (l *Ledger) CloseList(ctx context.Context, id fhirmsg.ImportID) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.import SET state = 'draining', closed = clock_timestamp()
		WHERE id = $1 AND state = 'fetching' AND listed IS NOT NULL
		AND NOT EXISTS (SELECT FROM stoker.file WHERE import = $1 AND state IN ('waiting', 'open'))`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("close the list of import %s: %w", id, err)
	}
	return nil
}
