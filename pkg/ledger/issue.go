package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// IssueKind counts the issues of one severity, code and expression in an import.
type IssueKind struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Expression  string `json:"expression"` // FHIRPath without indexes; "" is the line as a whole
	Diagnostics string `json:"diagnostics"`
	Count       int64  `json:"count"`
	FirstFile   string `json:"first_file"`
	FirstLine   int64  `json:"first_line"`
}

// maxIssueKinds is how many kinds of issues a status lists.
const maxIssueKinds = 100

// queueIssues states what was found in a chunk, provided that its statement is the one that
// counts.
func queueIssues(batch *pgx.Batch, s fhirmsg.Statement) {
	if len(s.IssueCounts) == 0 {
		return
	}
	n := len(s.IssueCounts)
	severities, codes, expressions, diagnostics := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	counts, lines := make([]int64, n), make([]int64, n)
	for i, c := range s.IssueCounts {
		severities[i], codes[i], expressions[i], diagnostics[i] = c.Severity, c.Code, c.Expression, c.Diagnostics
		counts[i], lines[i] = c.Count, c.Line
	}
	batch.Queue(`INSERT INTO stoker.issue (import, file, off, severity, code, expression, diagnostics, count, line)
		SELECT $1, $2, $3, u.severity, u.code, u.expression, u.diagnostics, u.count, u.line
		FROM unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])
			AS u(severity, code, expression, diagnostics, count, line)
		WHERE EXISTS (SELECT FROM stoker.parsed WHERE import = $1 AND file = $2 AND off = $3 AND fingerprint = $4)
		ON CONFLICT (import, file, off, severity, code, expression) DO NOTHING`,
		[16]byte(s.Import.ID), s.File, s.Offset, [16]byte(s.Fingerprint), severities, codes, expressions, diagnostics, counts, lines)
}

// issueKinds returns the most frequent kinds of issues, and how many more there are.
func issueKinds(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (kinds []IssueKind, more int64, err error) {
	rows, err := tx.Query(ctx, `
		WITH kind AS (
			SELECT severity, code, expression, sum(count)::bigint AS count,
				min(ARRAY[file, line, off]) AS first, count(*) OVER () AS kinds
			FROM stoker.issue WHERE import = $1 GROUP BY severity, code, expression
			ORDER BY count DESC, severity, code, expression LIMIT $2
		)
		SELECT k.severity, k.code, k.expression, i.diagnostics, k.count, coalesce(f.name, ''), i.line, k.kinds
		FROM kind k
		JOIN stoker.issue i ON i.import = $1 AND i.file = k.first[1] AND i.off = k.first[3]
			AND i.severity = k.severity AND i.code = k.code AND i.expression = k.expression
		LEFT JOIN stoker.file f ON f.import = $1 AND f.file = k.first[1]
		ORDER BY k.count DESC, k.severity, k.code, k.expression`, [16]byte(id), maxIssueKinds)
	if err != nil {
		return nil, 0, fmt.Errorf("kinds of issues: %w", err)
	}
	kinds = []IssueKind{}
	var k IssueKind
	var all int64
	_, err = pgx.ForEachRow(rows, []any{&k.Severity, &k.Code, &k.Expression, &k.Diagnostics, &k.Count, &k.FirstFile, &k.FirstLine, &all}, func() error {
		kinds = append(kinds, k)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("kinds of issues: %w", err)
	}
	return kinds, max(all-int64(len(kinds)), 0), nil
}
