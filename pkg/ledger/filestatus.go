package ledger

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// FileStatus is one file of an import.
type FileStatus struct {
	Name      string `json:"name"`
	Kind      string `json:"kind,omitempty"` // deleted: its entries delete; outcome: reports of the supplier, not stored
	State     string `json:"state"`
	Reason    string `json:"reason,omitempty"`
	Chunks    int64  `json:"chunks"`
	Lines     int64  `json:"lines"`
	Bytes     int64  `json:"bytes"`               // decompressed
	Size      int64  `json:"size"`                // at the source, -1 unknown
	Read      int64  `json:"read"`                // of Size
	Announced *int64 `json:"announced,omitempty"` // resources that the manifest says it has
	Differs   bool   `json:"differs,omitempty"`   // Announced is not what was read; known once all of the file is parsed
}

// fileStatus returns the files of an import. What a manifest counts, lines or resources, with or
// without headers and blank lines, differs between servers; one line too many is that of who
// takes a newline at the end for the beginning of another line.
func fileStatus(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) ([]FileStatus, error) {
	rows, err := tx.Query(ctx, `
		SELECT f.name, f.kind, f.state, f.reason, coalesce(c.chunks, 0), coalesce(c.lines, 0), coalesce(c.bytes, 0), f.size, f.read, f.count,
			f.count IS NOT NULL AND f.state = 'closed' AND coalesce(c.lines, 0) = coalesce(p.lines, 0)
			AND f.count NOT BETWEEN coalesce(p.lines - p.blank - p.headers, 0) AND coalesce(p.lines, 0) + 1
			AND NOT (f.kind = 'deleted' AND f.count = coalesce(p.entries, 0))
		FROM stoker.file f
		LEFT JOIN (
			SELECT file, count(*) AS chunks, sum(lines)::bigint AS lines, sum(length)::bigint AS bytes
			FROM stoker.fetched WHERE import = $1 GROUP BY file) c USING (file)
		LEFT JOIN (
			SELECT s.file, sum(s.lines)::bigint AS lines, sum(s.blank)::bigint AS blank, sum(s.entries)::bigint AS entries,
				sum(CASE WHEN o.kind = 'outcome' THEN 0 ELSE s.control END)::bigint AS headers
			FROM stoker.parsed s JOIN stoker.file o ON o.import = s.import AND o.file = s.file
			WHERE s.import = $1 AND o.count IS NOT NULL GROUP BY s.file) p USING (file)
		WHERE f.import = $1 ORDER BY f.file`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[FileStatus])
}
