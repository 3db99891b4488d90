package ledger

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// queueProfiles states which elements the resources of a chunk had, provided that its statement is the one that counts.
func queueProfiles(batch *pgx.Batch, s fhirmsg.Statement) {
	if len(s.Profiles) == 0 {
		return
	}
	n := len(s.Profiles)
	types, resources, elements, first, last := make([]string, n), make([]int64, n), make([]string, n), make([]string, n), make([]string, n)
	for i, p := range s.Profiles {
		counts, _ := json.Marshal(p.Elements) // a map of numbers can always be encoded
		types[i], resources[i], elements[i], first[i], last[i] = p.Type, p.Resources, string(counts), p.First, p.Last
	}
	batch.Queue(`INSERT INTO stoker.profile (import, file, off, type, resources, elements, first, last)
		SELECT $1, $2, $3, u.type, u.resources, u.elements::jsonb, u.first, u.last
		FROM unnest($5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[]) AS u(type, resources, elements, first, last)
		WHERE EXISTS (SELECT FROM stoker.parsed WHERE import = $1 AND file = $2 AND off = $3 AND fingerprint = $4)
		ON CONFLICT (import, file, off, type) DO NOTHING`,
		[16]byte(s.Import.ID), s.File, s.Offset, [16]byte(s.Fingerprint), types, resources, elements, first, last)
}

// profiles adds up what the resources of an import had, by type.
func profiles(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (map[string]fhirmsg.Profile, error) {
	rows, err := tx.Query(ctx, `SELECT type, sum(resources)::bigint, coalesce(min(first) FILTER (WHERE first <> ''), ''), max(last)
		FROM stoker.profile WHERE import = $1 GROUP BY type`, [16]byte(id))
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	of := map[string]fhirmsg.Profile{}
	var p fhirmsg.Profile
	if _, err = pgx.ForEachRow(rows, []any{&p.Type, &p.Resources, &p.First, &p.Last}, func() error {
		p.Elements = map[string]int64{}
		of[p.Type] = p
		return nil
	}); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	rows, err = tx.Query(ctx, `SELECT p.type, e.key, sum(e.value::bigint)::bigint
		FROM stoker.profile p, jsonb_each_text(p.elements) e WHERE p.import = $1 GROUP BY p.type, e.key`, [16]byte(id))
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	var typ, element string
	var n int64
	if _, err = pgx.ForEachRow(rows, []any{&typ, &element, &n}, func() error {
		of[typ].Elements[element] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	return of, nil
}
