package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// chunksLookedAt is how many chunks of an import Outstanding looks at, from the first that is
// not stored on. It bounds the query where one chunk is never stored, as after a dead letter;
// what lies beyond counts as stored then, and only the limits of the queues hold it back.
const chunksLookedAt = 1 << 14

// lineWeight is what a line counts at least of its supplier's credit, in bytes: storing a short line costs the database
// little less than storing one of this length, and what others wait for is the database.
const lineWeight = 1 << 10

// Weight is what a chunk takes of its supplier's credit: its bytes, and no less than 1 KiB for each of its lines.
func (f Fetched) Weight() int64 { return max(f.Length, f.Lines*lineWeight) }

// Outstanding returns the [Fetched.Weight] of a supplier's chunks that were published and are not stored
// yet, of all its imports that have not ended. A chunk is stored once it was parsed and all
// its resources are accounted for, so an import gives back what it has as it is stored, and
// all of it when it ends, however it ends.
//
// Only chunks from the first on that was not stored at the last look are read, so that it takes
// as long as much is on its way. Chunks that were stated late, after those behind
// them were stored, may be missed: no more than a fetcher publishes at once.
func (l *Ledger) Outstanding(ctx context.Context, supplier string) (bytes int64, err error) {
	err = l.pool.QueryRow(ctx, `WITH look AS (
			SELECT i.id, o.bytes, o.mark
			FROM stoker.import i LEFT JOIN stoker.credit c ON c.import = i.id, LATERAL (
				SELECT coalesce(sum(greatest(x.length, x.lines * $3)) FILTER (WHERE x.missing), 0)::bigint AS bytes,
					coalesce(min(ARRAY[x.file, x.off]) FILTER (WHERE x.missing), max(ARRAY[x.file, x.off])) AS mark
				FROM (
					SELECT f.file::bigint, f.off, f.length, f.lines,
						coalesce((SELECT p.plain + p.entries - p.entries_rejected - p.ignored
							- (SELECT coalesce(sum(w.inserted + w.updated + w.unchanged + w.stale + w.deleted + w.skipped
								+ w.rejected + w.discarded + w.cancelled), 0) FROM stoker.written w
								WHERE w.import = p.import AND w.file = p.file AND w.off = p.off)
							FROM stoker.parsed p WHERE p.import = f.import AND p.file = f.file AND p.off = f.off), 1) > 0 AS missing
					FROM stoker.fetched f
					WHERE f.import = i.id AND (f.file, f.off) >= (coalesce(c.file, 0), coalesce(c.off, 0))
					ORDER BY f.file, f.off LIMIT $2) x) o
			WHERE i.supplier = $1 AND i.ended IS NULL
		), moved AS (
			INSERT INTO stoker.credit AS c (import, file, off)
			SELECT id, mark[1], mark[2] FROM look WHERE mark IS NOT NULL ORDER BY id
			ON CONFLICT (import) DO UPDATE SET file = excluded.file, off = excluded.off
			WHERE (c.file, c.off) < (excluded.file, excluded.off)
		)
		SELECT coalesce(sum(bytes), 0)::bigint FROM look`, supplier, chunksLookedAt, lineWeight).Scan(&bytes)
	if err != nil {
		return 0, fmt.Errorf("what is on its way of supplier %s: %w", supplier, err)
	}
	return bytes, nil
}

// Waiting says why an import is not fetched on, and since when nothing moved.
type Waiting struct {
	For   string    `json:"for"`
	Since time.Time `json:"since"`
}

// SetWaiting states what the fetcher of an import waits for; "" is that it goes on.
func (l *Ledger) SetWaiting(ctx context.Context, id fhirmsg.ImportID, w Waiting) error {
	_, err := l.pool.Exec(ctx, `INSERT INTO stoker.credit (import, waiting, since) VALUES ($1, $2, $3)
		ON CONFLICT (import) DO UPDATE SET waiting = excluded.waiting, since = excluded.since WHERE stoker.credit.waiting <> excluded.waiting`, [16]byte(id), w.For, w.Since)
	if err != nil {
		return fmt.Errorf("state what import %s waits for: %w", id, err)
	}
	return nil
}

// waiting returns what the fetcher of an import waits for, or nil.
func waiting(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (*Waiting, error) {
	rows, err := tx.Query(ctx, `SELECT c.waiting, c.since FROM stoker.credit c JOIN stoker.import i ON i.id = c.import
		WHERE c.import = $1 AND c.waiting <> '' AND i.state IN ('accepted', 'fetching')`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Waiting])
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
