package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// restore gives the keys of the table discarded_key the version that ranks highest in their history, and
// returns how many had one. The version rule is that of isOlder; a tombstone ranks as full.
func restore(ctx context.Context, tx pgx.Tx, dataset, typ string) (int64, error) {
	live, tombstones := quoted(dataset, tableName(typ)), quoted(dataset, tombstoneTable)
	best := `SELECT DISTINCT ON (h.id) h.id, h.stamp, h.issued, h.file, h.line, h.entry, h.supplier,
			nullif(h.import, ` + noImport + `) AS import, h.original_id, h.deleted, h.subsetted, h.hash, h.resource
		FROM ` + quoted(dataset, historyTable(tableName(typ))) + ` h JOIN discarded_key k ON k.id = h.id
		ORDER BY h.id, NOT h.subsetted DESC, h.stamp DESC, h.issued DESC, h.file DESC, h.line DESC, h.entry DESC, h.import`
	// Where only the version moves back, the content stays as it is: readers of changes see none.
	const same = `t.hash = excluded.hash AND t.subsetted = excluded.subsetted`
	tag, err := tx.Exec(ctx, `INSERT INTO `+live+` AS t
			(id, stamp, issued, file, line, entry, supplier, import, original_id, subsetted, hash, resource)
		SELECT id, stamp, issued, file, line, entry, supplier, import, original_id, subsetted, hash, resource FROM (`+best+`) b WHERE NOT deleted
		ON CONFLICT (id) DO UPDATE SET stamp = excluded.stamp, issued = excluded.issued, file = excluded.file,
			line = excluded.line, entry = excluded.entry, supplier = excluded.supplier, import = excluded.import, original_id = excluded.original_id, written = now(),
			subsetted = excluded.subsetted, hash = excluded.hash,
			resource = CASE WHEN `+same+` THEN t.resource ELSE excluded.resource END,
			changed = CASE WHEN `+same+` THEN t.changed ELSE pg_current_xact_id() END`)
	if err != nil {
		return 0, fmt.Errorf("restore rows: %w", err)
	}
	restored := tag.RowsAffected()
	tag, err = tx.Exec(ctx, `INSERT INTO `+tombstones+` AS t (type, id, stamp, issued, file, line, entry, supplier, import, original_id)
		SELECT $1, id, stamp, issued, file, line, entry, supplier, import, original_id FROM (`+best+`) b WHERE deleted
		ON CONFLICT (type, id) DO UPDATE SET stamp = excluded.stamp, issued = excluded.issued, file = excluded.file,
			line = excluded.line, entry = excluded.entry, supplier = excluded.supplier, import = excluded.import,
			original_id = excluded.original_id, written = now()`, typ)
	if err != nil {
		return 0, fmt.Errorf("restore tombstones: %w", err)
	}
	return restored + tag.RowsAffected(), nil
}
