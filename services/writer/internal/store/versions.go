package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Standing is how new what a dataset has for a key is, a deletion included.
type Standing struct {
	ID     string // as its supplier knows it
	Stamp  time.Time
	Issued time.Time
}

// Standings are what a dataset has for ids of a type, as a supplier knows them. With scoped keys, which do not tell, all of the
// type's rows are looked at.
func Standings(ctx context.Context, pool *pgxpool.Pool, dataset, resourceType, supplier string, keys fhirmsg.Keys, ids []string) (list []Standing, err error) {
	name := quoted(dataset, tableName(resourceType))
	var exists bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&exists); err != nil {
		return nil, fmt.Errorf("look for table %s: %w", name, err)
	}
	if !exists {
		return nil, nil
	}
	column, args := "id", []any{ids, resourceType}
	where := `id = ANY($1::text[])`
	if keys == fhirmsg.KeysScoped {
		column, where, args = "original_id", `original_id = ANY($1::text[]) AND supplier = $3`, append(args, supplier)
	}
	const times = `greatest(stamp, 'epoch'), greatest(issued, 'epoch')` // of rows that were inserted by hand they are before all times
	rows, err := pool.Query(ctx, `SELECT `+column+`, `+times+` FROM `+name+` WHERE `+where+`
		UNION ALL SELECT `+column+`, `+times+` FROM `+quoted(dataset, tombstoneTable)+` WHERE type = $2 AND `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("versions in %s: %w", name, err)
	}
	if list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Standing]); err != nil {
		return nil, fmt.Errorf("versions in %s: %w", name, err)
	}
	return list, nil
}
