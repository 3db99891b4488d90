package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// bury deletes live rows and keeps tombstones in their place. The exclusive lock of the type
// is held, so nothing newer can come in between.
func bury(ctx context.Context, tx pgx.Tx, g *group, rows []*row, o ledger.Outcome) error {
	if len(rows) == 0 {
		return nil
	}
	params := append(g.versionColumnsOf(rows), originalColumn(rows))
	if err := query(ctx, tx, `DELETE FROM `+quoted(g.dataset, g.table)+` WHERE id = ANY($1::text[])`, params[:1], nil); err != nil {
		return fmt.Errorf("delete from %s: %w", g.table, err)
	}
	if err := query(ctx, tx, `INSERT INTO `+quoted(g.dataset, tombstoneTable)+` AS t
			(type, id, stamp, issued, file, line, entry, supplier, import, original_id)
		SELECT $1::text, u.id, u.stamp, u.issued, u.file, u.line, u.entry, u.supplier, u.import, u.original_id
		FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::int[], $6::bigint[], $7::int[], $8::text[], $9::uuid[], $10::text[])
			AS u(id, stamp, issued, file, line, entry, supplier, import, original_id)
		ON CONFLICT (type, id) DO UPDATE SET stamp = excluded.stamp, issued = excluded.issued, file = excluded.file,
			line = excluded.line, entry = excluded.entry, supplier = excluded.supplier, import = excluded.import,
			original_id = excluded.original_id, written = now()
		WHERE (t.stamp, t.issued, t.file, t.line, t.entry) < (excluded.stamp, excluded.issued, excluded.file, excluded.line, excluded.entry)`,
		append([]column{text(g.typ)}, params...), nil); err != nil {
		return fmt.Errorf("keep tombstones: %w", err)
	}
	for _, r := range rows {
		g.settle(r, o)
	}
	return nil
}

// unbury removes the tombstones of keys that come to life again. Where another writer did
// so first, the insert that follows is a unique violation and all is asked again.
func unbury(ctx context.Context, tx pgx.Tx, g *group, rows []*row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := query(ctx, tx, `DELETE FROM `+quoted(g.dataset, tombstoneTable)+` WHERE type = $1::text AND id = ANY($2::text[])`,
		[]column{text(g.typ), idColumn(rows)}, nil); err != nil {
		return fmt.Errorf("remove tombstones: %w", err)
	}
	return nil
}

// anyTombstone reports whether anything of the group's type was ever deleted. No writer can
// add a tombstone meanwhile: that needs the type's lock exclusively.
func anyTombstone(ctx context.Context, tx pgx.Tx, g *group) (found bool, err error) {
	err = query(ctx, tx, `SELECT true FROM `+quoted(g.dataset, tombstoneTable)+` WHERE type = $1::text LIMIT 1`,
		[]column{text(g.typ)}, func([][]byte) { found = true })
	if err != nil {
		return false, fmt.Errorf("look for tombstones: %w", err)
	}
	return found, nil
}
