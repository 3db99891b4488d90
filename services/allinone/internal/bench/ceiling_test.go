package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/generate"
)

// newBench measures what needs PostgreSQL alone.
func newBench(t *testing.T, data string) *bench {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &bench{data: [2]string{data}, Pipeline: &Pipeline{Pool: pool}}
}

// TestCeilings: what the pipeline is compared with stores every line, whole.
func TestCeilings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, err := generate.Run(t.Context(), generate.Options{Dir: dir, Patients: 20, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, dir)
	sums := map[string]bool{}
	for _, s := range scenarios[:2] {
		if _, err := b.measure(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		var rows, ids int64
		var sum string
		if err := b.Pool.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT (resource->>'resourceType', resource->>'id')),
			md5(string_agg(resource::text, '' ORDER BY resource::text COLLATE "C")) FROM public.ceiling`).Scan(&rows, &ids, &sum); err != nil {
			t.Fatal(err)
		}
		if rows != made.Resources || ids != made.Resources {
			t.Errorf("%s: %d rows of %d resources; want %d", s.name, rows, ids, made.Resources)
		}
		sums[sum] = true
	}
	if len(sums) != 1 {
		t.Error("the two ceilings store different rows")
	}
}

// TestCeilingFails: a line that is not JSON ends the measurement, and nobody waits for more lines.
func TestCeilingFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.ndjson"), bytes.Repeat([]byte("not JSON\n"), 1<<21), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, dir)
	for _, s := range scenarios[:2] {
		if _, err := b.measure(t.Context(), s); err == nil {
			t.Errorf("%s: lines that are not JSON were copied", s.name)
		}
	}
}
