package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// ReportPart is a part of what was reported of an import's resources: rejects, or what was stored all the same.
type ReportPart struct {
	Stored     bool
	Index      int64            // from 0
	Rows       int64            // resources and lines that something was reported of
	Severities map[string]int64 // issues of each severity
}

// ReportParts divides what was reported of an import into parts of at most size rows, in the order of
// [Ledger.EachOfPart]: rejects first.
func (l *Ledger) ReportParts(ctx context.Context, id fhirmsg.ImportID, size int64) ([]ReportPart, error) {
	rows, err := l.pool.Query(ctx, `
		WITH r AS (
			SELECT stored, issues, (row_number() OVER (PARTITION BY stored ORDER BY file, line, abs(entry), entry) - 1) / $2 AS part
			FROM stoker.reject WHERE import = $1
		), n AS (
			SELECT stored, part, count(*) AS rows FROM r GROUP BY stored, part
		), s AS (
			SELECT stored, part, severity, count(*) AS issues
			FROM r CROSS JOIN LATERAL jsonb_to_recordset(r.issues) AS i(severity text) GROUP BY stored, part, severity
		)
		SELECT n.stored, n.part, n.rows, coalesce((SELECT jsonb_object_agg(s.severity, s.issues) FROM s
			WHERE s.stored = n.stored AND s.part = n.part AND s.severity IS NOT NULL), '{}')
		FROM n ORDER BY n.stored, n.part`, [16]byte(id), size)
	if err != nil {
		return nil, fmt.Errorf("what was reported of import %s: %w", id, err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ReportPart])
	if err != nil {
		return nil, fmt.Errorf("what was reported of import %s: %w", id, err)
	}
	return parts, nil
}

// EachOfPart yields the rows of a part of [Ledger.ReportParts].
func (l *Ledger) EachOfPart(ctx context.Context, id fhirmsg.ImportID, stored bool, index, size int64, each func(RejectRow) error) error {
	where := `AND NOT r.stored`
	if stored {
		where = `AND r.stored`
	}
	return l.eachRejectOf(ctx, id, where, index*size, &size, each)
}

// toleratedAfter is how long after an import's end reports on what was stored all the same are waited for; that
// there are some is known, and not how many are kept.
const toleratedAfter = 10 * time.Second

// IsReported reports whether what was found in an import that ended is in the ledger, since it comes by a queue of its own. What is
// still missing long after the end is given up.
func (l *Ledger) IsReported(ctx context.Context, id fhirmsg.ImportID) (reported bool, err error) {
	// The sums only where they count: the status of a submission asks for that of all its manifests.
	err = l.pool.QueryRow(ctx, `SELECT CASE WHEN i.ended < clock_timestamp() - $2::interval THEN true ELSE (
			SELECT r.rejects >= t.lines_rejected + t.rejected
				AND (t.issues = 0 OR r.rejects + r.tolerated > t.lines_rejected + t.rejected OR i.ended < clock_timestamp() - $3::interval)
			FROM stoker.totals(i.id) t,
				(SELECT count(*) FILTER (WHERE NOT stored) AS rejects, count(*) FILTER (WHERE stored) AS tolerated FROM stoker.reject WHERE import = i.id) r) END
		FROM stoker.import i WHERE i.id = $1`, [16]byte(id), lateAfter, toleratedAfter).Scan(&reported)
	if err != nil {
		return false, fmt.Errorf("what was reported of import %s: %w", id, notFound(err))
	}
	return reported, nil
}

// FileCounts says what became of the resources of a file.
type FileCounts struct {
	Stored   int64 // that the store has since: inserted, updated or unchanged
	Deleted  int64
	Stale    int64 // older than what was there
	Skipped  int64 // incomplete, and not put in the place of a full one
	Rejected int64 // lines among them
	Undone   int64 // discarded or cancelled
}

// FileCounts returns that for each file of an import of which anything was read.
func (l *Ledger) FileCounts(ctx context.Context, id fhirmsg.ImportID) (map[int32]FileCounts, error) {
	rows, err := l.pool.Query(ctx, `SELECT file, coalesce(w.stored, 0), coalesce(w.deleted, 0), coalesce(w.stale, 0), coalesce(w.skipped, 0),
			coalesce(w.rejected, 0) + coalesce(p.rejected, 0), coalesce(w.undone, 0)
		FROM (SELECT file, sum(inserted + updated + unchanged)::bigint AS stored, sum(deleted)::bigint AS deleted, sum(stale)::bigint AS stale,
				sum(skipped)::bigint AS skipped, sum(rejected)::bigint AS rejected, sum(discarded + cancelled)::bigint AS undone
			FROM stoker.written WHERE import = $1 GROUP BY file) w
		FULL JOIN (SELECT file, sum(rejected + entries_rejected)::bigint AS rejected FROM stoker.parsed WHERE import = $1 GROUP BY file) p USING (file)`, [16]byte(id))
	if err != nil {
		return nil, fmt.Errorf("resources of files of import %s: %w", id, err)
	}
	counts := map[int32]FileCounts{}
	var file int32
	var c FileCounts
	if _, err := pgx.ForEachRow(rows, []any{&file, &c.Stored, &c.Deleted, &c.Stale, &c.Skipped, &c.Rejected, &c.Undone}, func() error { counts[file] = c; return nil }); err != nil {
		return nil, fmt.Errorf("resources of files of import %s: %w", id, err)
	}
	return counts, nil
}

// String is the counts in words: what is 0 is left out, but for what was stored.
func (c FileCounts) String() string {
	text := fmt.Sprintf("%d resources stored", c.Stored)
	for _, more := range []struct {
		n    int64
		what string
	}{
		{c.Deleted, "deleted"}, {c.Stale, "older than what was there"}, {c.Skipped, "incomplete and skipped"}, {c.Rejected, "rejected"}, {c.Undone, "discarded or cancelled"},
	} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	return text
}
