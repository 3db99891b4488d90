package store

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func (f *fixture) setHistory(dataset string, on, want bool) {
	f.t.Helper()
	if changed, err := SetHistory(f.t.Context(), f.pool, dataset, on); err != nil || changed != want {
		f.t.Fatalf("history %v: changed %v, %v; want %v", on, changed, err, want)
	}
}

// lines are what a query returns, one text a row.
func (f *fixture) lines(sql string, args ...any) []string {
	f.t.Helper()
	rows, err := f.pool.Query(f.t.Context(), sql, args...)
	if err != nil {
		f.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}
	return lines
}

// state is all that is stored in a dataset, history included, without the times of writing.
func (f *fixture) state(dataset string) []string {
	f.t.Helper()
	lines := f.lines(`SELECT 'live ' || (to_jsonb(t) - 'written' - 'changed')::text FROM ` + quoted(dataset, "patient") + ` t
		UNION ALL SELECT 'tombstone ' || (to_jsonb(t) - 'written' - 'changed')::text FROM ` + quoted(dataset, tombstoneTable) + ` t`)
	var history bool
	if err := f.pool.QueryRow(f.t.Context(), `SELECT to_regclass($1) IS NOT NULL`, quoted(dataset, "patient_history")).Scan(&history); err != nil {
		f.t.Fatal(err)
	}
	if history {
		lines = append(lines, f.lines(`SELECT 'history ' || (to_jsonb(t) - 'written')::text FROM `+quoted(dataset, "patient_history")+` t`)...)
	}
	slices.Sort(lines)
	return lines
}

// versions are the versions of a key in the history: content and what it is, oldest first.
func (f *fixture) versions(id string) []string {
	f.t.Helper()
	return f.lines(`SELECT CASE WHEN deleted THEN 'deleted' ELSE resource->>'x' END || CASE WHEN subsetted THEN ' in part' ELSE '' END
		FROM fhir.patient_history WHERE id = $1 ORDER BY issued, line`, id)
}

func (f *fixture) wantVersions(id string, want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.versions(id)); diff != "" {
		f.t.Errorf("versions of %s (-want +got):\n%s", id, diff)
	}
}

// TestHistoryKeepsEveryVersion: also what is stale, superseded or skipped, once.
func TestHistoryKeepsEveryVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true) // before the dataset is there
	f.setHistory("fhir", true, false)
	first, second, third := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	batches := []fhirmsg.Batch{
		batchOf(second, res{id: "a", content: "2"}, res{id: "b", content: "2"}),
		batchOf(first, res{id: "a", content: "1"}),                             // stale
		batchOf(third, res{id: "a", content: "3"}, res{id: "a", content: "2"}), // superseded, and updated
		batchOf(third, res{id: "b", content: "2"}),                             // unchanged
		batchOf(third, res{id: "b", content: "3", subsetted: true}),            // skipped
		batchOf(second, res{id: "c", deleted: true}),
		batchOf(third, res{id: "c", content: "3"}),
	}
	for range 2 {
		for _, b := range batches {
			f.write(b)
		}
	}
	f.write(batches...)
	f.wantVersions("a", "1", "2", "3", "2")
	f.wantVersions("b", "2", "2", "3 in part")
	f.wantVersions("c", "deleted", "3")
	f.wantRows(map[string]string{"a": "2", "b": "2", "c": "3"})

	f.setHistory("fhir", false, true)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "c", content: "4"}))
	f.wantVersions("c", "deleted", "3")
}

// TestHistoryRefusesPoison: what only the history would hold is rejected alone, as everything else.
func TestHistoryRefusesPoison(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true)
	older := f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	got := f.write(batchOf(older, res{id: "a", content: `"\u0000"`}, res{id: "b", content: "1"}))
	wantCounts(t, "a stale one that PostgreSQL cannot hold", got, ledger.Counts{Rejected: 1, Inserted: 1})
	f.wantVersions("a", "1")
}

// TestHistoryBegins: with what is there, for types that come later too, and where someone dropped
// the table it begins again.
func TestHistoryBegins(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", deleted: true}))
	if _, err := f.pool.Exec(t.Context(), `INSERT INTO fhir.patient (id, resource) VALUES ('hand', '{"x": 0}')`); err != nil {
		t.Fatal(err)
	}
	f.setHistory("fhir", true, true)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "2"}, res{id: "b", content: "2"}, res{id: "hand", content: "2"}))
	f.wantVersions("a", "1", "2")
	f.wantVersions("b", "deleted", "2")
	f.wantVersions("hand", "0", "2")

	if _, err := f.pool.Exec(t.Context(), `INSERT INTO fhir.patient (id, resource) VALUES ('late', '{"x": 0}')`); err != nil {
		t.Fatal(err)
	}
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "late", content: "3"}))
	f.wantVersions("late", "0", "3")

	other := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "o", content: "1"})
	other.Type = "Observation"
	f.write(other)
	if got := f.lines(`SELECT id FROM fhir.observation_history`); !slices.Equal(got, []string{"o"}) {
		t.Errorf("history of a type that came later: %v", got)
	}
	if _, err := f.pool.Exec(t.Context(), `DROP TABLE fhir.patient_history`); err != nil {
		t.Fatal(err)
	}
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "4"}))
	f.wantVersions("a", "4")
}
