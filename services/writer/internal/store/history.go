package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/services/writer/internal/copybin"
)

// historyTable is the table of all versions beside a type's. No resource type has a _ in its name.
func historyTable(table string) string { return table + "_history" }

// ddlHistory is what makes the table beside a type's. The import is part of the key since of several
// retries of the same rejects each brings the same version; one of them may be discarded. Rows
// that no import brought have an import of zeros.
func ddlHistory(dataset, table string) string {
	return `CREATE TABLE IF NOT EXISTS ` + quoted(dataset, historyTable(table)) + ` (
	id        text COLLATE "C" NOT NULL,
	stamp     timestamptz NOT NULL,
	issued    timestamptz NOT NULL,
	file      integer NOT NULL,
	line      bigint NOT NULL,
	entry     integer NOT NULL,
	import    uuid NOT NULL,
	supplier  text COLLATE "C",
	original_id text COLLATE "C",
	written   timestamptz NOT NULL DEFAULT now(),
	deleted   boolean NOT NULL DEFAULT false,
	subsetted boolean NOT NULL DEFAULT false,
	hash      uuid,
	resource  jsonb COMPRESSION lz4,
	PRIMARY KEY (id, stamp, issued, file, line, entry, import)
);`
}

// noImport is the import of a row that was inserted by hand.
const noImport = `'00000000-0000-0000-0000-000000000000'::uuid`

// save brings rows into their table and, where the dataset keeps one, all of them into the history,
// whether they win or not.
func save(ctx context.Context, tx pgx.Tx, g *group, rows []*row, sample int) error {
	if g.history {
		if err := remember(ctx, tx, g, rows); err != nil {
			return err
		}
	}
	return apply(ctx, tx, g, rows, sample)
}

// remember adds versions to the history. One that is there stays as it is (invariant 2).
func remember(ctx context.Context, tx pgx.Tx, g *group, rows []*row) error {
	// By id and version, so that writers with the same rows wait for each other in one order.
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b *row) int {
		return cmp.Or(bytes.Compare(a.ID, b.ID), a.version.Compare(b.version))
	})
	for piece := range pieces(rows) {
		if err := rememberPiece(ctx, tx, g, piece); err != nil {
			return err
		}
	}
	return nil
}

func rememberPiece(ctx context.Context, tx pgx.Tx, g *group, rows []*row) error {
	deleted := columnOf(rows, copybin.OIDBool, 1, func(b []byte, r *row) []byte { return copybin.Bool(b, r.Deleted) })
	params := append(append(g.versionColumnsOf(rows), g.contentColumnsOf(rows)...), bodyColumn(rows), deleted, originalColumn(rows))
	err := query(ctx, tx, `INSERT INTO `+quoted(g.dataset, historyTable(g.table))+`
			(id, stamp, issued, file, line, entry, supplier, import, original_id, subsetted, deleted, hash, resource)
		SELECT u.id, u.stamp, u.issued, u.file, u.line, u.entry, u.supplier, u.import, u.original_id, u.subsetted, u.deleted,
			CASE WHEN NOT u.deleted THEN u.hash END, CASE WHEN NOT u.deleted THEN u.resource::jsonb END
		FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::uuid[], $9::bool[], $10::uuid[], $11::text[], $12::bool[], $13::text[])
			AS u(id, stamp, issued, file, line, entry, supplier, import, subsetted, hash, resource, deleted, original_id)
		ON CONFLICT DO NOTHING`, params, nil)
	if err != nil {
		return fmt.Errorf("add to the history of %s: %w", g.table, err)
	}
	return nil
}

// rememberByHand adds to the history what someone inserted by hand and a row is about to replace. Of
// what someone edited, the supplier's version is there, and stays.
func rememberByHand(ctx context.Context, tx pgx.Tx, g *group, rows []*row, found map[string]held) error {
	if !g.history {
		return nil
	}
	var byHand []*row
	for _, r := range rows {
		if h, ok := found[string(r.ID)]; ok && !h.tombstone && !h.hashed {
			byHand = append(byHand, r)
		}
	}
	if len(byHand) == 0 {
		return nil
	}
	err := query(ctx, tx, copyLive(g.dataset, g.table)+` WHERE id = ANY($1::text[]) AND import IS NULL ON CONFLICT DO NOTHING`, []column{idColumn(byHand)}, nil)
	if err != nil {
		return fmt.Errorf("add to the history of %s: %w", g.table, err)
	}
	return nil
}

// copyLive begins a statement that adds live rows to the history.
func copyLive(dataset, table string) string {
	return `INSERT INTO ` + quoted(dataset, historyTable(table)) + `
			(id, stamp, issued, file, line, entry, supplier, import, original_id, subsetted, hash, resource)
		SELECT id, stamp, issued, file, line, entry, supplier, coalesce(import, ` + noImport + `), original_id, subsetted, hash, resource
		FROM ` + quoted(dataset, table)
}
