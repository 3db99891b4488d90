package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// What can be wrong with a supplier.
var (
	ErrNoSupplier = errors.New("no such supplier")
	ErrSupplier   = errors.New("the supplier cannot be as it was declared")
)

// Supplier is a declared supplier as the ledger has it.
type Supplier struct {
	supplier.Supplier
	FromFile bool       `json:"from_file"` // declared in suppliers.yaml, and changed there only
	Created  time.Time  `json:"created"`
	Removed  *time.Time `json:"removed,omitempty"` // it delivers nothing any more
}

const selectSupplier = `SELECT name, policy, credentials, from_file, created, removed FROM stoker.supplier `

func scanSupplier(row pgx.CollectableRow) (s Supplier, err error) {
	err = row.Scan(&s.Name, &s.Policy, &s.Credentials, &s.FromFile, &s.Created, &s.Removed)
	return s, err
}

type rowsQuerier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func findSupplier(ctx context.Context, q rowsQuerier, name string) (Supplier, error) {
	rows, err := q.Query(ctx, selectSupplier+`WHERE name = $1`, name)
	if err != nil {
		return Supplier{}, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanSupplier)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoSupplier
	}
	return s, err
}

// Supplier returns a declared supplier, also one that was removed. Errors: [ErrNoSupplier].
func (l *Ledger) Supplier(ctx context.Context, name string) (Supplier, error) {
	s, err := findSupplier(ctx, l.pool, name)
	if err != nil {
		return s, fmt.Errorf("supplier %s: %w", name, err)
	}
	return s, nil
}

// Suppliers lists all declared suppliers by name, those that were removed last.
func (l *Ledger) Suppliers(ctx context.Context) ([]Supplier, error) {
	rows, err := l.pool.Query(ctx, selectSupplier+`ORDER BY removed IS NOT NULL, name COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("list suppliers: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanSupplier)
	if err != nil {
		return nil, fmt.Errorf("list suppliers: %w", err)
	}
	return list, nil
}

// SupplierOf returns the supplier of an import. Errors: [ErrNotFound].
func (l *Ledger) SupplierOf(ctx context.Context, id fhirmsg.ImportID) (name string, err error) {
	err = l.pool.QueryRow(ctx, `SELECT supplier FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&name)
	if err != nil {
		return "", fmt.Errorf("supplier of import %s: %w", id, notFound(err))
	}
	return name, nil
}

// Policy returns the policy that an import was accepted under, or nil where its supplier was not
// declared. One for which none is known, such as a row that was made again from messages, has that of its supplier now. Errors: [ErrNotFound].
func (l *Ledger) Policy(ctx context.Context, id fhirmsg.ImportID) (policy *supplier.Policy, err error) {
	err = l.pool.QueryRow(ctx, `SELECT coalesce(i.policy, s.policy) FROM stoker.import i
		LEFT JOIN stoker.supplier s ON s.name = i.supplier WHERE i.id = $1`, [16]byte(id)).Scan(&policy)
	if err != nil {
		return nil, fmt.Errorf("policy of import %s: %w", id, notFound(err))
	}
	return policy, nil
}

// MaxOpenImports is how many imports a supplier that asks for them itself may have that have not ended. Those that its
// policy does not allow at once wait for their turn, or are paused, but not any number.
const MaxOpenImports = 1_000

// UnendedImports is how many imports of a supplier have not ended, also those that are paused.
func (l *Ledger) UnendedImports(ctx context.Context, name string) (n int, err error) {
	err = l.pool.QueryRow(ctx, `SELECT count(*) FROM stoker.import WHERE supplier = $1 AND ended IS NULL`, name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("imports of supplier %s that have not ended: %w", name, err)
	}
	return n, nil
}

// OpenImports is how many imports of a supplier have not ended, without those that are paused.
func (l *Ledger) OpenImports(ctx context.Context, name string) (n int, err error) {
	err = l.pool.QueryRow(ctx, `SELECT count(*) FROM stoker.import WHERE supplier = $1 AND ended IS NULL AND state <> 'paused'`, name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("open imports of supplier %s: %w", name, err)
	}
	return n, nil
}

// States returns the states of those of some imports that were accepted.
func (l *Ledger) States(ctx context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]State, error) {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	rows, err := l.pool.Query(ctx, `SELECT id, state FROM stoker.import WHERE id = ANY($1)`, keys)
	if err != nil {
		return nil, fmt.Errorf("states of imports: %w", err)
	}
	states := map[fhirmsg.ImportID]State{}
	var id [16]byte
	var state State
	if _, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error { states[id] = state; return nil }); err != nil {
		return nil, fmt.Errorf("states of imports: %w", err)
	}
	return states, nil
}

// Failures returns when those of some imports failed that did, without those that were discarded since, or behind which the same supplier
// delivered a snapshot: that has all there is.
func (l *Ledger) Failures(ctx context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]time.Time, error) {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	rows, err := l.pool.Query(ctx, `SELECT id, ended FROM stoker.import i WHERE id = ANY($1) AND state = 'failed' AND ended IS NOT NULL
		AND NOT EXISTS (SELECT FROM stoker.discard d WHERE d.import = i.id)
		AND NOT EXISTS (SELECT FROM stoker.import s WHERE s.supplier = i.supplier AND s.issued > i.issued AND s.dataset = i.dataset AND s.snapshot IS NOT NULL)`, keys)
	if err != nil {
		return nil, fmt.Errorf("failures of imports: %w", err)
	}
	failures := map[fhirmsg.ImportID]time.Time{}
	var id [16]byte
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error { failures[id] = at; return nil }); err != nil {
		return nil, fmt.Errorf("failures of imports: %w", err)
	}
	return failures, nil
}

// SpooledInUse are the names of what was handed in that requests of imports name which have not ended.
func (l *Ledger) SpooledInUse(ctx context.Context) (map[string]bool, error) {
	rows, err := l.pool.Query(ctx, `SELECT source->>'spool' FROM stoker.import,
		jsonb_array_elements(CASE jsonb_typeof(request->'sources') WHEN 'array' THEN request->'sources' ELSE '[]' END) source
		WHERE ended IS NULL AND source ? 'spool'`)
	if err != nil {
		return nil, fmt.Errorf("spooled content in use: %w", err)
	}
	used := map[string]bool{}
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&name}, func() error { used[name] = true; return nil }); err != nil {
		return nil, fmt.Errorf("spooled content in use: %w", err)
	}
	return used, nil
}
