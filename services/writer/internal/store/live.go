package store

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/internal/copybin"
)

// insert copies rows straight into the table. A row that is there already is a unique
// violation, which ends the transaction; the caller begins again.
func insert(ctx context.Context, tx pgx.Tx, g *group, rows []*row, o ledger.Outcome) error {
	if len(rows) == 0 {
		return nil
	}
	columns := `id, resource, stamp, issued, file, line, entry, supplier, import, subsetted, hash`
	if g.scoped {
		columns += `, original_id`
	}
	sql := `COPY ` + quoted(g.dataset, g.table) + ` (` + columns + `) FROM STDIN (FORMAT binary)`
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, &copyReader{g: g, rows: rows}, sql); err != nil {
		return fmt.Errorf("copy into %s: %w", g.table, err)
	}
	for _, r := range rows {
		g.settle(r, o)
	}
	return nil
}

// copyReader encodes rows as they are read, so that no second copy of a batch is held.
type copyReader struct {
	g       *group
	rows    []*row
	next    int
	rest    []byte // encoded, for which there was no room
	backing []byte // of it
}

// Read implements [io.Reader].
func (c *copyReader) Read(p []byte) (n int, err error) {
	if len(c.rest) == 0 && c.next > len(c.rows) {
		return 0, io.EOF
	}
	n = copy(p, c.rest)
	c.rest = c.rest[n:]
	for ; n < len(p) && c.next <= len(c.rows); c.next++ {
		if n+c.most() <= len(p) {
			n = len(c.encode(p[:n]))
			continue
		}
		c.backing = c.encode(c.backing[:0])
		fits := copy(p[n:], c.backing)
		n, c.rest = n+fits, c.backing[fits:]
	}
	return n, nil
}

// most is the most that the next row takes, with what begins or ends them all.
func (c *copyReader) most() int {
	const columns = 256 // their lengths, and those that are always as long
	if c.next == len(c.rows) {
		return columns
	}
	r := c.rows[c.next]
	return columns + len(r.ID) + len(r.Body) + len(r.OriginalID) + len(c.g.importOf(r).Supplier)
}

// encode appends the next row, or what ends them.
func (c *copyReader) encode(b []byte) []byte {
	if c.next == 0 {
		b = copybin.Header(b)
	}
	if c.next == len(c.rows) {
		return copybin.Trailer(b)
	}
	return c.g.appendRow(b, c.rows[c.next])
}

func (g *group) appendRow(b []byte, r *row) []byte {
	imp := g.importOf(r)
	columns := 11
	if g.scoped {
		columns++
	}
	b = copybin.Row(b, columns)
	b = copybin.Text(b, r.ID)
	b = copybin.JSONB(b, r.Body)
	b = copybin.Time(b, r.version.Stamp)
	b = copybin.Time(b, r.version.Issued)
	b = copybin.Int32(b, r.version.File)
	b = copybin.Int64(b, r.version.Line)
	b = copybin.Int32(b, r.version.Entry)
	b = copybin.Text(b, imp.Supplier)
	b = copybin.UUID(b, imp.ID)
	b = copybin.Bool(b, r.Subsetted)
	b = copybin.UUID(b, r.Hash)
	if g.scoped {
		b = copybin.TextOrNull(b, r.OriginalID)
	}
	return b
}

// isOlder is the version rule: t, what is there, ranks below u, what comes.
const isOlder = `(NOT t.subsetted, t.stamp, t.issued, t.file, t.line, t.entry) < (NOT u.subsetted, u.stamp, u.issued, u.file, u.line, u.entry)`

// move gives rows of equal content their new version, without sending the content. Rows
// that changed since they were asked for are returned.
func move(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
	return moveWhere(ctx, tx, g, rows, isOlder)
}

func moveWhere(ctx context.Context, tx pgx.Tx, g *group, rows []*row, condition string) (missed []*row, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	done := make(map[string]bool, len(rows))
	params := append(g.versionColumnsOf(rows), g.contentColumnsOf(rows)...)
	err = query(ctx, tx, `UPDATE `+quoted(g.dataset, g.table)+` AS t
		SET stamp = u.stamp, issued = u.issued, file = u.file, line = u.line, entry = u.entry,
			supplier = u.supplier, import = u.import, written = now()
		FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::uuid[], $9::bool[], $10::uuid[])
			AS u(id, stamp, issued, file, line, entry, supplier, import, subsetted, hash)
		WHERE t.id = u.id AND t.hash = u.hash AND t.subsetted = u.subsetted AND `+condition+` RETURNING t.id`,
		params, collectIDs(done))
	if err != nil {
		return nil, fmt.Errorf("move versions in %s: %w", g.table, err)
	}
	return g.settleReturned(rows, done, ledger.Unchanged), nil
}

// update replaces older rows. A key's original id stays: it is what the key is made of. Rows that
// changed since they were asked for are returned.
func update(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
	return inPieces(ctx, tx, g, rows, updateWhere(isOlder))
}

// moveUnasked and updateUnasked do so with rows that were not asked for, and return besides those of which
// more must be known: whose row is another supplier's, and an update at the stamp of what is there, which may be a conflict.
func moveUnasked(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
	return moveWhere(ctx, tx, g, rows, isOlder+` AND t.supplier = u.supplier`)
}

func updateUnasked(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
	return inPieces(ctx, tx, g, rows, updateWhere(isOlder+` AND t.supplier = u.supplier AND t.stamp < u.stamp`))
}

// updateWhere replaces rows under a condition, and returns those for which it does not hold.
func updateWhere(condition string) writePiece {
	return func(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
		done := make(map[string]bool, len(rows))
		params := append(append(g.versionColumnsOf(rows), g.contentColumnsOf(rows)...), bodyColumn(rows))
		err = query(ctx, tx, `UPDATE `+quoted(g.dataset, g.table)+` AS t
			SET stamp = u.stamp, issued = u.issued, file = u.file, line = u.line, entry = u.entry,
				supplier = u.supplier, import = u.import, subsetted = u.subsetted, hash = u.hash,
				resource = u.resource::jsonb, written = now(), changed = pg_current_xact_id()
			FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::uuid[], $9::bool[], $10::uuid[], $11::text[])
				AS u(id, stamp, issued, file, line, entry, supplier, import, subsetted, hash, resource)
			WHERE t.id = u.id AND (t.hash IS DISTINCT FROM u.hash OR t.subsetted <> u.subsetted) AND `+condition+` RETURNING t.id`,
			params, collectIDs(done))
		if err != nil {
			return nil, fmt.Errorf("update %s: %w", g.table, err)
		}
		return g.settleReturned(rows, done, ledger.Updated), nil
	}
}

// settleReturned settles what happened and returns what did not.
func (g *group) settleReturned(rows []*row, done map[string]bool, o ledger.Outcome) (missed []*row) {
	for _, r := range rows {
		if done[string(r.ID)] {
			g.settle(r, o)
		} else {
			missed = append(missed, r)
		}
	}
	return missed
}
