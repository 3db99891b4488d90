package ledger

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// RejectRow is a reject with the name of its file.
type RejectRow struct {
	Import   fhirmsg.ImportID
	Issued   time.Time // when the import was accepted
	FileName string
	fhirmsg.Reject

	file int32
}

const rejectColumns = `r.import, coalesce(i.issued, '-infinity'), coalesce(f.name, ''), r.line, r.entry, r.off, r.type, r.id, r.issues, r.raw, r.cut, r.stored, r.resource, r.file
	FROM stoker.reject r
	LEFT JOIN stoker.file f ON f.import = r.import AND f.file = r.file
	LEFT JOIN stoker.import i ON i.id = r.import`

// Rejects yields an import's rejects in the order of its files and lines.
func (l *Ledger) Rejects(ctx context.Context, id fhirmsg.ImportID, each func(RejectRow) error) error {
	return l.eachReject(ctx, id, `AND NOT r.stored`, each)
}

// OpenRejects yields those of Rejects that no retry and no mending import has resolved.
func (l *Ledger) OpenRejects(ctx context.Context, id fhirmsg.ImportID, each func(RejectRow) error) error {
	return l.eachReject(ctx, id, `AND NOT r.stored AND NOT EXISTS (SELECT FROM stoker.resolved v
		WHERE (v.import, v.file, v.line, v.entry) = (r.import, r.file, r.line, r.entry))`, each)
}

// Reported yields all that issues were reported of, in that order too: rejects and what was
// stored all the same.
func (l *Ledger) Reported(ctx context.Context, id fhirmsg.ImportID, each func(RejectRow) error) error {
	return l.eachReject(ctx, id, ``, each)
}

// Tolerated yields those of Reported that were stored all the same.
func (l *Ledger) Tolerated(ctx context.Context, id fhirmsg.ImportID, each func(RejectRow) error) error {
	return l.eachReject(ctx, id, `AND r.stored`, each)
}

// CountReported counts what Rejects and Tolerated yield.
func (l *Ledger) CountReported(ctx context.Context, id fhirmsg.ImportID) (rejects, tolerated int64, err error) {
	err = l.pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE NOT stored), count(*) FILTER (WHERE stored)
		FROM stoker.reject WHERE import = $1`, [16]byte(id)).Scan(&rejects, &tolerated)
	if err != nil {
		return 0, 0, fmt.Errorf("count what was reported of import %s: %w", id, err)
	}
	return rejects, tolerated, nil
}

func (l *Ledger) eachReject(ctx context.Context, id fhirmsg.ImportID, where string, each func(RejectRow) error) error {
	return l.eachRejectOf(ctx, id, where, 0, nil, each)
}

// Pages of rejects: how many are asked for at first and at most, and of about how many bytes. What is asked for comes, also what is more
// than the bytes, and is thrown away then: so pages grow slowly.
const (
	firstRejects  = 4
	mostRejects   = 4096
	rejectsOfPage = 1 << 20
)

// eachRejectOf yields at most limit rows, null for all, behind some others. It holds no connection while it yields: whoever takes
// them may be a supplier that takes its time, and there are few connections for all.
func (l *Ledger) eachRejectOf(ctx context.Context, id fhirmsg.ImportID, where string, offset int64, limit *int64, each func(RejectRow) error) error {
	last := RejectRow{file: math.MinInt32, Reject: fhirmsg.Reject{Line: math.MinInt64}}
	left := int64(math.MaxInt64)
	if limit != nil {
		left = *limit
	}
	for page := int64(firstRejects); left > 0; {
		rows, whole, size, err := l.rejectPage(ctx, id, where, last, offset, min(page, left))
		if err != nil {
			return fmt.Errorf("rejects of import %s: %w", id, err)
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return err
			}
		}
		if whole && int64(len(rows)) < min(page, left) {
			return nil
		}
		last, offset, left = rows[len(rows)-1], 0, left-int64(len(rows))
		page = nextPage(page, int64(len(rows)), size)
	}
	return nil
}

// nextPage is how many to ask for behind a page of which so many were taken: as many as have the bytes of a page, if they are like
// these, and at most twice as many as before, since lines of many MiB may follow on short ones.
func nextPage(page, taken, size int64) int64 {
	return min(max(1, taken*rejectsOfPage/max(1, size)), 2*page, mostRejects)
}

// rejectPage reads up to so many rows behind one, and no more when they have enough bytes: then they are not the whole page.
func (l *Ledger) rejectPage(ctx context.Context, id fhirmsg.ImportID, where string, after RejectRow, offset, limit int64) (page []RejectRow, whole bool, size int64, err error) {
	rows, err := l.pool.Query(ctx, `SELECT `+rejectColumns+` WHERE r.import = $1 `+where+`
			AND (r.file, r.line) >= ($4, $5) AND (r.file, r.line, abs(r.entry), r.entry) > ($4, $5, abs($6::int), $6)
		ORDER BY r.file, r.line, abs(r.entry), r.entry OFFSET $2 LIMIT $3`,
		[16]byte(id), offset, limit, after.file, after.Line, after.Entry)
	if err != nil {
		return nil, false, 0, err
	}
	defer rows.Close()
	for size < rejectsOfPage && rows.Next() {
		row, err := scanReject(rows)
		if err != nil {
			return nil, false, 0, err
		}
		page = append(page, row)
		size += int64(len(row.Raw) + len(row.Resource) + 512*(1+len(row.Issues))) // about
	}
	if size >= rejectsOfPage {
		return page, false, size, nil
	}
	return page, true, size, rows.Err()
}

// RejectsOf returns the rejects of one resource in a dataset, as far as its type and id
// could be read.
func (l *Ledger) RejectsOf(ctx context.Context, dataset, resourceType, id string) ([]RejectRow, error) {
	rows, err := l.pool.Query(ctx, `SELECT `+rejectColumns+`
		WHERE i.dataset = $1 AND r.type = $2 AND r.id = $3 AND NOT r.stored ORDER BY i.issued, r.file, r.line`, dataset, resourceType, id)
	if err != nil {
		return nil, fmt.Errorf("rejects of a resource: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanReject)
	if err != nil {
		return nil, fmt.Errorf("rejects of a resource: %w", err)
	}
	return list, nil
}

func scanReject(rows pgx.CollectableRow) (RejectRow, error) {
	var r RejectRow
	err := rows.Scan((*[16]byte)(&r.Import), &r.Issued, &r.FileName, &r.Line, &r.Entry, &r.Offset, &r.Type, &r.ID, &r.Issues, &r.Raw, &r.Cut, &r.Stored, &r.Resource, &r.file)
	return r, err
}

// OutcomeOf returns the file of a batch and what became of one of its resources, in words;
// "in flight" where no writer has stated it yet.
func (l *Ledger) OutcomeOf(ctx context.Context, batch fhirmsg.BatchHeader, index int) (file, outcome string, err error) {
	var letter *int32
	err = l.pool.QueryRow(ctx, `SELECT
			coalesce((SELECT name FROM stoker.file WHERE import = $1 AND file = $2), ''),
			(SELECT get_byte(outcomes, $3) FROM stoker.written
			 WHERE import = $1 AND file = $2 AND off = $4 AND type = $5 AND part = $6 AND fingerprint = $7)`,
		[16]byte(batch.Import.ID), batch.File, index, batch.Offset, batch.Type, batch.Part, [16]byte(batch.Fingerprint)).Scan(&file, &letter)
	if err != nil {
		return "", "", fmt.Errorf("outcome of a resource: %w", err)
	}
	if letter == nil {
		return file, "in flight", nil
	}
	return file, Outcome(*letter).String(), nil
}
