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
	a := g.arrays(rows, false)
	if _, err := tx.Exec(ctx, `DELETE FROM `+quoted(g.dataset, g.table)+` WHERE id = ANY($1)`, a.ids); err != nil {
		return fmt.Errorf("delete from %s: %w", g.table, err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO `+quoted(g.dataset, tombstoneTable)+` AS t
			(type, id, stamp, issued, file, line, entry, supplier, import)
		SELECT $1, u.id, u.stamp, u.issued, u.file, u.line, u.entry, u.supplier, u.import
		FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::int[], $6::bigint[], $7::int[], $8::text[], $9::uuid[])
			AS u(id, stamp, issued, file, line, entry, supplier, import)
		ON CONFLICT (type, id) DO UPDATE SET stamp = excluded.stamp, issued = excluded.issued, file = excluded.file,
			line = excluded.line, entry = excluded.entry, supplier = excluded.supplier, import = excluded.import, written = now()
		WHERE (t.stamp, t.issued, t.file, t.line, t.entry) < (excluded.stamp, excluded.issued, excluded.file, excluded.line, excluded.entry)`,
		g.typ, a.ids, a.stamps, a.issued, a.files, a.lines, a.entries, a.suppliers, a.imports); err != nil {
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
	a := g.arrays(rows, false)
	if _, err := tx.Exec(ctx, `DELETE FROM `+quoted(g.dataset, tombstoneTable)+` WHERE type = $1 AND id = ANY($2)`, g.typ, a.ids); err != nil {
		return fmt.Errorf("remove tombstones: %w", err)
	}
	return nil
}
