package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// errRejectsUnderWay: an import may be complete before the last of its rejects are in the
// ledger, since they come by a queue of their own.
var errRejectsUnderWay = errors.New("its rejects are still on their way to the ledger")

// lateAfter is how long after an import's end rejects that are still missing are given up.
const lateAfter = 10 * time.Minute

// Retry returns the request that puts an import's rejects through again; it lacks an id only.
// validation is "" for that of the import. Errors: [ErrNotFound], [ErrState] for an import that
// has not ended or has no rejects.
func (l *Ledger) Retry(ctx context.Context, id fhirmsg.ImportID, validation fhirmsg.Validation) (fhirmsg.ImportRequest, error) {
	o, err := readOriginal(ctx, l.pool, id)
	switch {
	case err != nil:
		return fhirmsg.ImportRequest{}, fmt.Errorf("retry import %s: %w", id, err)
	case !o.state.Ended():
		return fhirmsg.ImportRequest{}, refuse(ErrState, "import %s is %s and can be retried once it has ended", id, o.state)
	case o.discarded:
		return fhirmsg.ImportRequest{}, refuse(ErrState, "import %s was discarded; what it rejected cannot be put through again", id)
	case o.counted == 0:
		return fhirmsg.ImportRequest{}, refuse(ErrState, "nothing was rejected of import %s", id)
	}
	req := fhirmsg.ImportRequest{
		Supplier: o.pins.Supplier, Dataset: o.pins.Dataset, Mode: o.pins.Mode, FHIRVersion: o.pins.FHIRVersion,
		Validation: cmp.Or(validation, o.pins.Validation, fhirmsg.ValidationOff), MaxRejects: "off", // they were rejected once
		ChunkSize: o.pins.ChunkSize, MaxLine: o.pins.MaxLine, Retry: id,
	}
	if o.pins.AsOf != nil {
		asOf := time.UnixMicro(*o.pins.AsOf).UTC()
		req.AsOf = &asOf
	}
	return req, nil
}

// original is an import that is retried.
type original struct {
	pins      fhirmsg.Import
	state     State
	counted   int64         // rejects by its statements
	kept      int64         // rejects that are in the ledger
	ago       time.Duration // since its end
	discarded bool          // all of it
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readOriginal(ctx context.Context, q querier, id fhirmsg.ImportID) (original, error) {
	var o original
	var seconds float64
	err := q.QueryRow(ctx, `SELECT i.pins, i.state, t.lines_rejected + t.rejected,
			(SELECT count(*) FROM stoker.reject r WHERE r.import = i.id AND NOT r.stored),
			coalesce(extract(epoch FROM clock_timestamp() - i.ended), 0)::float8,
			EXISTS (SELECT FROM stoker.discard d WHERE d.import = i.id AND d.file = -1)
		FROM stoker.import i, stoker.totals(i.id) t WHERE i.id = $1`, [16]byte(id)).Scan(&o.pins, &o.state, &o.counted, &o.kept, &seconds, &o.discarded)
	o.ago = time.Duration(seconds * float64(time.Second))
	return o, notFound(err)
}

// findOriginal is readOriginal, whose supplier is "" where no import is meant, or none is there.
func findOriginal(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (original, error) {
	if id == (fhirmsg.ImportID{}) {
		return original{}, nil
	}
	o, err := readOriginal(ctx, tx, id)
	if errors.Is(err, ErrNotFound) {
		return original{}, nil
	}
	return o, err
}

// errMoved: an import changed while its rejects were counted. Asked again, it is accepted or refused.
var errMoved = errors.New("the import that it retries or mends is changing")

// same is that an import has still the state that it was read in.
func (o original) same(ctx context.Context, tx pgx.Tx) error {
	var state State
	var discarded bool
	if err := tx.QueryRow(ctx, `SELECT state, EXISTS (SELECT FROM stoker.discard d WHERE d.import = i.id AND d.file = -1)
		FROM stoker.import i WHERE id = $1`, [16]byte(o.pins.ID)).Scan(&state, &discarded); err != nil {
		return err
	}
	if state != o.state || discarded != o.discarded {
		return errMoved
	}
	return nil
}

// pinRetry pins an import to what the one that it retries was pinned to: whatever decides
// versions and keys. It says why there can be no retry. The original was read before.
func pinRetry(ctx context.Context, tx pgx.Tx, imp *fhirmsg.Import, id fhirmsg.ImportID, o original) (refusal string, err error) {
	imp.Retry, imp.Accepted = id, imp.Issued
	if o.pins.Supplier != imp.Supplier {
		return fmt.Sprintf("import %s of supplier %s, which it is to retry, is not known", id, imp.Supplier), nil
	}
	if err := o.same(ctx, tx); err != nil {
		return "", err
	}
	switch {
	case !o.state.Ended():
		return fmt.Sprintf("import %s is %s and can be retried once it has ended", id, o.state), nil
	case o.discarded:
		return fmt.Sprintf("import %s was discarded; what it rejected cannot be put through again", id), nil
	case o.kept < o.counted && o.ago < lateAfter:
		return "", errRejectsUnderWay
	case o.kept < o.counted:
		return fmt.Sprintf("of %d rejects of import %s only %d are in the ledger", o.counted, id, o.kept), nil
	}
	p := o.pins
	if p.FHIRVersion != imp.FHIRVersion { // its definitions are pinned already
		return fmt.Sprintf("import %s is of FHIR %s; a retry of FHIR %s was asked for", id, p.FHIRVersion, imp.FHIRVersion), nil
	}
	imp.Issued, imp.Dataset, imp.Mode, imp.AsOf = p.Issued, p.Dataset, p.Mode, p.AsOf
	imp.ChunkSize, imp.MaxLine, imp.Keys, imp.Base = p.ChunkSize, p.MaxLine, p.Keys, p.Base
	return "", nil
}

// RejectedFiles lists the files of an import that have rejects which can be put through again,
// without those that were discarded, and the rejects that cannot, since only their beginning was kept.
func (l *Ledger) RejectedFiles(ctx context.Context, id fhirmsg.ImportID) ([]File, []SkippedFile, error) {
	rows, err := l.pool.Query(ctx, `SELECT r.file, coalesce(f.name, ''), coalesce(f.type, ''), coalesce(f.kind, ''), f.as_of, f.subsetted
		FROM (SELECT DISTINCT file FROM stoker.reject r WHERE import = $1 AND NOT stored AND NOT cut
			AND NOT EXISTS (SELECT FROM stoker.discard d WHERE d.import = $1 AND d.file = r.file)) r
		LEFT JOIN stoker.file f ON f.import = $1 AND f.file = r.file ORDER BY r.file`, [16]byte(id))
	if err != nil {
		return nil, nil, fmt.Errorf("rejected files of import %s: %w", id, err)
	}
	files, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (File, error) {
		f := File{State: "waiting", Size: -1, Locator: json.RawMessage("null")}
		var asOf *time.Time
		err := row.Scan(&f.Index, &f.Name, &f.Type, &f.Kind, &asOf, &f.Subsetted)
		f.AsOf = microsOf(asOf)
		return f, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("rejected files of import %s: %w", id, err)
	}
	rows, err = l.pool.Query(ctx, `SELECT coalesce(f.name, '') || ', line ' || r.line ||
			CASE WHEN r.entry = 0 THEN '' ELSE ', entry ' || abs(r.entry) END,
			'it was not kept as it came'
		FROM stoker.reject r LEFT JOIN stoker.file f ON f.import = r.import AND f.file = r.file
		WHERE r.import = $1 AND NOT r.stored AND r.cut ORDER BY r.file, r.line, r.entry`, [16]byte(id))
	if err != nil {
		return nil, nil, fmt.Errorf("rejects of import %s that were cut: %w", id, err)
	}
	skipped, err := pgx.CollectRows(rows, pgx.RowToStructByPos[SkippedFile])
	if err != nil {
		return nil, nil, fmt.Errorf("rejects of import %s that were cut: %w", id, err)
	}
	return files, skipped, nil
}

// RejectSize is a reject's place in its file, and how many bytes it has.
type RejectSize struct {
	Line  int64
	Entry int32
	Bytes int64
}

// RejectSizes returns rejects of a file that can be put through again, in the order of lines
// and entries: at most limit behind after.
func (l *Ledger) RejectSizes(ctx context.Context, id fhirmsg.ImportID, file int32, after RejectSize, limit int) ([]RejectSize, error) {
	rows, err := l.pool.Query(ctx, `SELECT line, entry, length(raw)::bigint + coalesce(length(resource), 0)
		FROM stoker.reject WHERE import = $1 AND file = $2 AND (line, entry) > ($3, $4) AND NOT stored AND NOT cut
		ORDER BY line, entry LIMIT $5`, [16]byte(id), file, after.Line, after.Entry, limit)
	if err != nil {
		return nil, fmt.Errorf("rejects of import %s: %w", id, err)
	}
	sizes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RejectSize])
	if err != nil {
		return nil, fmt.Errorf("rejects of import %s: %w", id, err)
	}
	return sizes, nil
}

// RejectsFrom returns the rejects of a file that [Ledger.RejectSizes] told of, from the first to
// the last, in that order.
func (l *Ledger) RejectsFrom(ctx context.Context, id fhirmsg.ImportID, file int32, first, last RejectSize) ([]RejectRow, error) {
	rows, err := l.pool.Query(ctx, `SELECT `+rejectColumns+`
		WHERE r.import = $1 AND r.file = $2 AND (r.line, r.entry) BETWEEN ($3, $4) AND ($5, $6) AND NOT r.stored AND NOT r.cut
		ORDER BY r.line, r.entry`, [16]byte(id), file, first.Line, first.Entry, last.Line, last.Entry)
	if err != nil {
		return nil, fmt.Errorf("rejects of import %s: %w", id, err)
	}
	list, err := pgx.CollectRows(rows, scanReject)
	if err != nil {
		return nil, fmt.Errorf("rejects of import %s: %w", id, err)
	}
	return list, nil
}
