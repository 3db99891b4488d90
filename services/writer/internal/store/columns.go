package store

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/services/writer/internal/copybin"
)

// column is one column of rows as a parameter: an array in PostgreSQL's binary form, encoded
// without a value of its own for each row.
type column []byte

func columnOf(rows []*row, oid uint32, size int, value func(b []byte, r *row) []byte) column {
	b := copybin.Array(make([]byte, 0, 20+len(rows)*(4+size)), oid, len(rows))
	for _, r := range rows {
		b = value(b, r)
	}
	return b
}

// idSize is about how long an id is: a UUID. Longer ones make a buffer grow.
const idSize = 36

func idColumn(rows []*row) column {
	return columnOf(rows, copybin.OIDText, idSize, func(b []byte, r *row) []byte { return copybin.Text(b, r.ID) })
}

// versionColumnsOf are id, stamp, issued, file, line, entry, supplier and import.
func (g *group) versionColumnsOf(rows []*row) []column {
	return []column{
		idColumn(rows),
		columnOf(rows, copybin.OIDTimestamptz, 8, func(b []byte, r *row) []byte { return copybin.Time(b, r.version.Stamp) }),
		columnOf(rows, copybin.OIDTimestamptz, 8, func(b []byte, r *row) []byte { return copybin.Time(b, r.version.Issued) }),
		columnOf(rows, copybin.OIDInt4, 4, func(b []byte, r *row) []byte { return copybin.Int32(b, r.version.File) }),
		columnOf(rows, copybin.OIDInt8, 8, func(b []byte, r *row) []byte { return copybin.Int64(b, r.version.Line) }),
		columnOf(rows, copybin.OIDInt4, 4, func(b []byte, r *row) []byte { return copybin.Int32(b, r.version.Entry) }),
		columnOf(rows, copybin.OIDText, 8, func(b []byte, r *row) []byte { return copybin.Text(b, g.importOf(r).Supplier) }),
		columnOf(rows, copybin.OIDUUID, 16, func(b []byte, r *row) []byte { return copybin.UUID(b, g.importOf(r).ID) }),
	}
}

// contentColumnsOf are subsetted and hash.
func (g *group) contentColumnsOf(rows []*row) []column {
	return []column{
		columnOf(rows, copybin.OIDBool, 1, func(b []byte, r *row) []byte { return copybin.Bool(b, r.Subsetted) }),
		columnOf(rows, copybin.OIDUUID, 16, func(b []byte, r *row) []byte { return copybin.UUID(b, r.Hash) }),
	}
}

// Bodies that are parameters go in pieces of about so many bytes, and of so many rows, since both
// sides copy a parameter several times: large ones leave the processor's caches and the
// allocators' pools each time.
const (
	pieceBytes = 512 << 10
	pieceRows  = 1000
)

// pieces cuts rows by the size of their bodies.
func pieces(rows []*row) iter.Seq[[]*row] {
	return func(yield func([]*row) bool) {
		for len(rows) > 0 {
			n, size := 0, 0
			for n < len(rows) && n < pieceRows && (n == 0 || size+len(rows[n].Body) <= pieceBytes) {
				size += len(rows[n].Body)
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// writePiece writes rows with their bodies and returns those that were missed.
type writePiece func(context.Context, pgx.Tx, *group, []*row) (missed []*row, err error)

// inPieces writes piece by piece and returns all rows that were missed.
func inPieces(ctx context.Context, tx pgx.Tx, g *group, rows []*row, write writePiece) (missed []*row, err error) {
	for piece := range pieces(rows) {
		left, err := write(ctx, tx, g, piece)
		if err != nil {
			return nil, err
		}
		missed = append(missed, left...)
	}
	return missed, nil
}

func bodyColumn(rows []*row) column {
	size := 0
	for _, r := range rows {
		size += len(r.Body)
	}
	return columnOf(rows, copybin.OIDText, size/max(len(rows), 1)+1, func(b []byte, r *row) []byte { return copybin.Text(b, r.Body) })
}

// originalColumn is what suppliers call the resources, where that is not their id.
func originalColumn(rows []*row) column {
	return columnOf(rows, copybin.OIDText, 0, func(b []byte, r *row) []byte { return copybin.TextOrNull(b, r.OriginalID) })
}

// text is a parameter that is one text.
func text(s string) column { return column(s) }

// query runs a statement that is prepared once on each connection. Parameters and results are
// in binary form; the values of a result row are valid until each returns.
func query(ctx context.Context, tx pgx.Tx, sql string, params []column, each func(values [][]byte)) error {
	conn := tx.Conn()
	prepared, err := conn.Prepare(ctx, sql, sql) // pgx remembers which it has
	if err != nil {
		return err
	}
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = p
	}
	result := conn.PgConn().ExecPrepared(ctx, prepared.Name, values, []int16{1}, []int16{1})
	for result.NextRow() {
		each(result.Values())
	}
	_, err = result.Close()
	return err
}

// ids collects the first column of a result.
func collectIDs(ids map[string]bool) func([][]byte) {
	return func(values [][]byte) { ids[string(values[0])] = true }
}
