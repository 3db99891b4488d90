package writer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
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

// Outdated returns those keys of which the dataset has nothing that is as new as what was rejected. They are of one supplier.
func (r *Reader) Outdated(ctx context.Context, dataset, supplier string, keys fhirmsg.Keys, rejected []ledger.RejectedKey) (outdated []ledger.RejectedKey, err error) {
	ids := map[string][]string{}
	for _, k := range rejected {
		ids[k.Type] = append(ids[k.Type], k.ID)
	}
	there := map[[2]string]store.Standing{}
	for resourceType, ids := range ids {
		list, err := store.Standings(ctx, r.Pool, dataset, resourceType, supplier, keys, ids)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			there[[2]string{resourceType, s.ID}] = s
		}
	}
	for _, k := range rejected {
		s, ok := there[[2]string{k.Type, k.ID}]
		if order := s.Stamp.Compare(k.Stamp); !ok || order < 0 || order == 0 && s.Issued.Before(k.Issued) {
			outdated = append(outdated, k)
		}
	}
	return outdated, nil
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
