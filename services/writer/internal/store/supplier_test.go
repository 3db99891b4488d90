package store

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// acceptOf makes an import of a supplier.
func (f *fixture) acceptOf(supplier string) fhirmsg.Import {
	f.t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	imp, _, err := f.ledger.Accept(f.t.Context(), fhirmsg.ImportRequest{ID: id, Supplier: supplier, Sources: []fhirmsg.Source{{Path: "/x"}}}, 3, "")
	if err != nil {
		f.t.Fatal(err)
	}
	return imp
}

// TestForeign: what takes the place of another supplier's is counted, once, and in the statement of
// the import that did it.
func TestForeign(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	patient := func(id, content string) res { return res{id: id, content: content} }
	a, b := f.acceptOf("a"), f.acceptOf("b")
	wantCounts(t, "the first", f.write(batchOf(a, patient("1", "1"), patient("2", "1"), patient("3", "1"), res{id: "4", deleted: true}, patient("5", "1"))),
		ledger.Counts{Inserted: 4, Deleted: 1})
	second := batchOf(b, patient("1", "2"), patient("2", "1"), res{id: "3", deleted: true}, patient("4", "2"), patient("6", "1"))
	want := ledger.Counts{Inserted: 2, Updated: 1, Unchanged: 1, Deleted: 1, Foreign: 4}
	// Body and hash of the equal one are equal.
	wantCounts(t, "another supplier", f.write(second), want)
	wantCounts(t, "the same again", f.write(second), ledger.Counts{})
	status, err := f.ledger.Status(t.Context(), b.ID)
	if err != nil || status.Resources.Counts != want || status.ByType["Patient"].Foreign != 4 {
		t.Errorf("account: %+v, %v", status.Resources.Counts, err)
	}
	wantCounts(t, "its own", f.write(batchOf(f.acceptOf("b"), patient("1", "3"), patient("6", "2"))), ledger.Counts{Updated: 2})
	wantCounts(t, "an older one", f.write(batchOf(a, patient("6", "9"))), ledger.Counts{Stale: 1})
	// Of both suppliers in one transaction each is compared with what is there by itself.
	newA, newB := f.acceptOf("a"), f.acceptOf("b")
	wantCounts(t, "both together", f.write(batchOf(newA, patient("5", "2"), patient("6", "3")), batchOf(newB, patient("1", "4"), patient("7", "1"))),
		ledger.Counts{Inserted: 1, Updated: 3, Foreign: 1})
	if _, err := f.pool.Exec(t.Context(), `INSERT INTO fhir.patient (id, resource) VALUES ('8', '{}')`); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "a row that nobody delivered", f.write(batchOf(f.acceptOf("a"), patient("8", "1"))), ledger.Counts{Updated: 1})
}

// TestForeignInBulk: all are counted, also where rows are expected to turn out as a few of them and are
// not asked for; and a supplier's own never are.
func TestForeignInBulk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const groups, rows = 2, 3 * sampled
	deliver := func(supplier, content string) (c ledger.Counts) {
		imp := f.acceptOf(supplier)
		for group := range groups {
			var resources []res
			for i := range rows {
				resources = append(resources, res{id: fmt.Sprintf("%d-%d", group, i), content: content})
			}
			c.Plus(f.write(batchOf(imp, resources...)))
		}
		return c
	}
	const all = groups * rows
	wantCounts(t, "the first", deliver("a", "1"), ledger.Counts{Inserted: all})
	wantCounts(t, "its own", deliver("a", "2"), ledger.Counts{Updated: all})
	wantCounts(t, "another's, updated", deliver("b", "3"), ledger.Counts{Updated: all, Foreign: all})
	wantCounts(t, "its own, unchanged", deliver("b", "3"), ledger.Counts{Unchanged: all})
	wantCounts(t, "another's, unchanged", deliver("a", "3"), ledger.Counts{Unchanged: all, Foreign: all})
}

// TestScopedPoison: what PostgreSQL refuses is told of under the supplier's own id, and not put through again.
func TestScopedPoison(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.acceptOf("a")
	wantCounts(t, "one of two", f.write(scopedBatch(imp, res{id: "1", content: `"\u0000"`}, res{id: "2", content: "1"})), ledger.Counts{Inserted: 1, Rejected: 1})
	var told []string
	if err := f.ledger.Rejects(t.Context(), imp.ID, func(r ledger.RejectRow) error {
		told = append(told, r.ID)
		return nil
	}); err != nil || len(told) != 1 || told[0] != "x1" {
		t.Errorf("rejected %q, %v; want x1", told, err)
	}
	files, skipped, err := f.ledger.RejectedFiles(t.Context(), imp.ID)
	if err != nil || len(files) != 0 || len(skipped) != 1 {
		t.Errorf("to be put through again %+v, not to be %+v, %v", files, skipped, err)
	}
}

// originals are the ids by which suppliers know what is stored; NULL is -.
func (f *fixture) originals() map[string]string {
	f.t.Helper()
	got := map[string]string{}
	rows, err := f.pool.Query(f.t.Context(), `SELECT id, coalesce(original_id, '-') FROM fhir.patient
		UNION ALL SELECT id, coalesce(original_id, '-') FROM fhir.tombstone`)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, original string
		if err := rows.Scan(&id, &original); err != nil {
			f.t.Fatal(err)
		}
		got[id] = original
	}
	return got
}

func (f *fixture) wantOriginals(what string, want map[string]string) {
	f.t.Helper()
	got := f.originals()
	if len(got) != len(want) {
		f.t.Errorf("%s: %v, want %v", what, got, want)
	}
	for id, original := range want {
		if got[id] != original {
			f.t.Errorf("%s: %s is called %q, want %q", what, id, got[id], original)
		}
	}
}

// scopedBatch is a batch of resources that their supplier calls by other ids: x and their own.
func scopedBatch(imp fhirmsg.Import, resources ...res) fhirmsg.Batch {
	b := batchOf(imp, resources...)
	var body []byte
	for r := range b.Records() {
		r.OriginalID = append([]byte("x"), r.ID...)
		body = fhirmsg.AppendRecord(body, r)
	}
	b.Body = body
	b.Seal()
	return b
}

// TestOriginalID: the original id comes with the row and stays with it, dead or alive, through the
// history and back, and also in tables of an older version.
func TestOriginalID(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.acceptOf("a"), res{id: "1", content: "1"}))
	for _, table := range []string{"patient", "tombstone"} {
		if _, err := f.pool.Exec(t.Context(), `ALTER TABLE fhir.`+table+` DROP COLUMN original_id`); err != nil {
			t.Fatal(err)
		}
	}
	f.Store = New(f.pool) // as of a process that starts on what an older one left
	f.write(scopedBatch(f.acceptOf("b"), res{id: "2", content: "1"}, res{id: "3", content: "1"}))
	f.wantOriginals("beside one that is kept", map[string]string{"1": "-", "2": "x2", "3": "x3"})
	if _, err := SetHistory(t.Context(), f.pool, "fhir", true); err != nil {
		t.Fatal(err)
	}
	last := f.acceptOf("b")
	f.write(scopedBatch(last, res{id: "2", content: "2"}, res{id: "3", deleted: true}, res{id: "4", content: "1"}))
	f.wantOriginals("updated, deleted and new", map[string]string{"1": "-", "2": "x2", "3": "x3", "4": "x4"})
	if err := f.ledger.Cancel(t.Context(), last.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := Discard(t.Context(), f.pool, last.ID, "", false); err != nil {
		t.Fatal(err)
	}
	f.wantRows(map[string]string{"1": "1", "2": "1", "3": "1"})
	f.wantOriginals("restored", map[string]string{"1": "-", "2": "x2", "3": "x3"})
}
