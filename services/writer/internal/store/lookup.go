package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// HistorySQL is the query for all versions of an id, $1, in a type's history, what ranks highest last, with the
// columns of [LookupSQL]. It is empty where there is no history.
func HistorySQL(ctx context.Context, pool *pgxpool.Pool, dataset, resourceType string) (string, error) {
	name := quoted(dataset, historyTable(tableName(resourceType)))
	var exists bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&exists); err != nil {
		return "", fmt.Errorf("look for table %s: %w", name, err)
	}
	if !exists {
		return "", nil
	}
	return `SELECT deleted, stamp::text, issued::text, file, line, entry, supplier, nullif(import, ` + noImport + `)::text, resource
		FROM ` + name + ` WHERE id = $1 ORDER BY NOT subsetted, stamp, issued, file, line, entry, import`, nil
}

// LookupSQL is the query for what a type's table has under an id, $1, of a type, $2: deleted, stamp, issued,
// file, line, entry, supplier, import, resource. It is empty where there is no table yet.
func LookupSQL(ctx context.Context, pool *pgxpool.Pool, dataset, resourceType string) (string, error) {
	name := quoted(dataset, tableName(resourceType))
	var exists bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&exists); err != nil {
		return "", fmt.Errorf("look for table %s: %w", name, err)
	}
	if !exists {
		return "", nil
	}
	return `SELECT false, stamp::text, issued::text, file, line, entry, supplier, import::text, resource FROM ` + name + ` WHERE id = $1
		UNION ALL SELECT true, stamp::text, issued::text, file, line, entry, supplier, import::text, NULL
		FROM ` + quoted(dataset, tombstoneTable) + ` WHERE id = $1 AND type = $2`, nil
}
