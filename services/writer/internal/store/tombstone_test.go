package store

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestInsertedOverADeletion: a row that someone inserted where a tombstone is counts as oldest and gives
// way to whatever is newer than the deletion.
func TestInsertedOverADeletion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old, later := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(later, res{id: "a", deleted: true}, res{id: "b", deleted: true}))
	if _, err := f.pool.Exec(t.Context(), `INSERT INTO fhir.patient (id, resource) VALUES ('a', '{"x": 8}'), ('b', '{"x": 8}')`); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "older than the deletion", f.write(batchOf(old, res{id: "a", content: "1"})), ledger.Counts{Stale: 1})
	newer := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "2"}, res{id: "b", deleted: true})
	wantCounts(t, "newer", f.write(newer), ledger.Counts{Updated: 1, Deleted: 1})
	f.wantRows(map[string]string{"a": "2", "b": "deleted"})
}

// TestConflictsWithDeletions: of one date, two deletions agree, and a deletion and content do not.
func TestConflictsWithDeletions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.accept(fhirmsg.ModeSync), res{id: "a", deleted: true, stamp: 50}, res{id: "b", deleted: true, stamp: 50}))
	got := f.write(batchOf(f.accept(fhirmsg.ModeSync), res{id: "a", deleted: true, stamp: 50}, res{id: "b", content: "1", stamp: 50}))
	wantCounts(t, "the same date", got, ledger.Counts{Unchanged: 1, Inserted: 1, Conflicts: 1})
}
