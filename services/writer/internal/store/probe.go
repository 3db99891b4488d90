package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/internal/copybin"
)

// lock takes the transaction's locks and makes it known as a writer's. For the dataset's it does not wait, which may take minutes: it
// returns [ledger.ErrLocked]. PostgreSQL refuses it also where somebody waits for it, so writers keep nobody from it.
func lock(ctx context.Context, tx pgx.Tx, g *group) error {
	typeLock := "pg_advisory_xact_lock_shared"
	if g.deletes {
		typeLock = "pg_advisory_xact_lock"
	}
	// Invariant 7: the dataset's lock, shared; swap, drop and discard hold it exclusively. With plans of their own the statements
	// of a few rows would be planned again each time, a sixth of what such a transaction takes, and come out the same.
	var ok bool
	err := tx.QueryRow(ctx, `SELECT set_config('stoker.writer', 'on', true), set_config('plan_cache_mode', 'force_generic_plan', true),
		CASE WHEN pg_try_advisory_xact_lock_shared(hashtextextended('stoker:dataset:' || $1, 0))
			THEN `+typeLock+`(hashtextextended('stoker:type:' || $1 || ':' || $2, 0)) IS NOT NULL ELSE false END`, g.dataset, g.typ).Scan(nil, nil, &ok)
	if err == nil && !ok {
		err = ledger.ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s of dataset %s: %w", g.typ, g.dataset, err)
	}
	return nil
}

// probe asks what the store has for the keys of rows. The answer is a hint, see the
// package's documentation.
func probe(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (map[string]held, error) {
	found := make(map[string]held, len(rows))
	for supplier, own := range g.bySupplier(rows) {
		params := []column{idColumn(own), text(supplier)}
		// What is asked of a row is one byte more than its version and hash, so that asking whose it is costs nothing.
		if err := query(ctx, tx, `SELECT id, stamp, issued, file, line, entry,
				(subsetted::int + CASE WHEN supplier <> $2::text THEN 2 ELSE 0 END)::int2, hash
			FROM `+quoted(g.dataset, g.table)+` WHERE id = ANY($1::text[])`, params, collect(found, false)); err != nil {
			return nil, fmt.Errorf("ask %s for versions: %w", g.table, err)
		}
		if err := query(ctx, tx, `SELECT id, stamp, issued, file, line, entry, CASE WHEN supplier <> $2::text THEN 2 ELSE 0 END::int2
			FROM `+quoted(g.dataset, tombstoneTable)+` WHERE type = $3::text AND id = ANY($1::text[])`,
			append(params, text(g.typ)), collect(found, true)); err != nil {
			return nil, fmt.Errorf("ask for tombstones: %w", err)
		}
	}
	return found, nil
}

// bySupplier yields rows by who delivered them. Mostly that is one.
func (g *group) bySupplier(rows []*row) iter.Seq2[string, []*row] {
	return func(yield func(string, []*row) bool) {
		for len(rows) > 0 {
			supplier := g.importOf(rows[0]).Supplier
			own, others := rows, []*row(nil)
			if slices.ContainsFunc(g.imports, func(imp fhirmsg.Import) bool { return imp.Supplier != supplier }) {
				own = nil
				for _, r := range rows {
					if g.importOf(r).Supplier == supplier {
						own = append(own, r)
					} else {
						others = append(others, r)
					}
				}
			}
			if !yield(supplier, own) {
				return
			}
			rows = others
		}
	}
}

// collect reads what is there in its binary form, since this is done for every resource.
func collect(found map[string]held, tombstone bool) func(raw [][]byte) {
	return func(raw [][]byte) {
		// A deletion has no content; that is known, and its hash is zero.
		h := held{tombstone: tombstone, hashed: tombstone, version: fhirmsg.Version{
			Stamp: copybin.Micros(raw[1]), Issued: copybin.Micros(raw[2]),
			Ordinal: fhirmsg.Ordinal{
				File:  int32(binary.BigEndian.Uint32(raw[3])),
				Line:  int64(binary.BigEndian.Uint64(raw[4])),
				Entry: int32(binary.BigEndian.Uint32(raw[5])),
			},
		}}
		flags := raw[6][1] // the low byte: 1 is subsetted, 2 of another supplier
		h.foreign = flags&2 != 0
		if !tombstone {
			h.subsetted = flags&1 != 0
			if raw[7] != nil {
				h.hash, h.hashed = fhirmsg.Hash(raw[7]), true
			}
		}
		if _, live := found[string(raw[0])]; live {
			h.covered = true
		}
		found[string(raw[0])] = h
	}
}
