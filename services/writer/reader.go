package writer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// Reader reads what is stored, for people who trace a resource.
type Reader struct{ Pool *pgxpool.Pool }

// Stored is what the store has for a key. Times are in the form of PostgreSQL.
type Stored struct {
	Deleted  bool            `json:"deleted"`
	Stamp    string          `json:"stamp"`
	Issued   string          `json:"issued"`
	File     int32           `json:"file"`
	Line     int64           `json:"line"`
	Entry    int32           `json:"entry,omitempty"`
	Supplier *string         `json:"supplier"` // null: inserted by hand
	Import   *string         `json:"import"`
	Resource json.RawMessage `json:"resource,omitempty"`
}

// Stored returns what is stored under a key, or nil.
func (r *Reader) Stored(ctx context.Context, dataset, resourceType, id string) (*Stored, error) {
	sql, err := store.LookupSQL(ctx, r.Pool, dataset, resourceType)
	if err != nil || sql == "" {
		return nil, err
	}
	found, err := r.read(ctx, sql, id, resourceType)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[len(found)-1], nil
}

// History returns all versions of a key that the dataset's history has, what ranks highest last.
func (r *Reader) History(ctx context.Context, dataset, resourceType, id string) ([]Stored, error) {
	sql, err := store.HistorySQL(ctx, r.Pool, dataset, resourceType)
	if err != nil || sql == "" {
		return nil, err
	}
	return r.read(ctx, sql, id)
}

func (r *Reader) read(ctx context.Context, sql string, args ...any) ([]Stored, error) {
	rows, err := r.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("look up a resource: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Stored])
	if err != nil {
		return nil, fmt.Errorf("look up a resource: %w", err)
	}
	return found, nil
}
