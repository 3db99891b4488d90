package writer

import (
	"context"
	"encoding/json"
	"fmt"

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
	rows, err := r.Pool.Query(ctx, sql, id, resourceType)
	if err != nil {
		return nil, fmt.Errorf("look up a resource: %w", err)
	}
	defer rows.Close()
	var s *Stored
	for rows.Next() {
		s = &Stored{}
		if err := rows.Scan(&s.Deleted, &s.Stamp, &s.Issued, &s.File, &s.Line, &s.Entry, &s.Supplier, &s.Import, &s.Resource); err != nil {
			return nil, fmt.Errorf("look up a resource: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look up a resource: %w", err)
	}
	return s, nil
}
