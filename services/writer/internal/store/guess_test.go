package store

import (
	"fmt"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestGuess: groups that are all of a kind are written as their first keys say, and nothing is doubted.
func TestGuess(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	many := func(content string) []res {
		group := make([]res, 3*sampled)
		for i := range group {
			group[i] = res{id: fmt.Sprint(i), content: content}
		}
		return group
	}
	wantCounts(t, "new", f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), many("1")...)), ledger.Counts{Inserted: 3 * sampled})
	wantCounts(t, "the same", f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), many("1")...)), ledger.Counts{Unchanged: 3 * sampled})
	wantCounts(t, "changed", f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), many("2")...)), ledger.Counts{Updated: 3 * sampled})
	if f.doubts.about(`"fhir"."patient"`) {
		t.Error("the next group is not guessed")
	}
}

// TestWrongGuess: a group whose first key says nothing of the others ends as if all had been asked for.
func TestWrongGuess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		first   res // in the order of ids
		want    ledger.Counts
		doubted bool
	}{
		{"inserted", res{id: "0", content: "1"}, ledger.Counts{Inserted: 2, Updated: 1, Unchanged: 1, Skipped: 1}, true},
		{"updated", res{id: "1", content: "2"}, ledger.Counts{Inserted: 1, Updated: 2, Unchanged: 1, Skipped: 1}, false},
		{"unchanged", res{id: "1", content: "1"}, ledger.Counts{Inserted: 1, Updated: 1, Unchanged: 2, Skipped: 1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.sampled = 1
			f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "1", content: "1"}, res{id: "same", content: "1"},
				res{id: "other", content: "1"}, res{id: "partial", content: "1"}))
			got := f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "other", content: "2"}, tt.first, res{id: "same", content: "1"},
				res{id: "m", content: "1"}, res{id: "partial", content: "2", subsetted: true}))
			wantCounts(t, "a group of everything", got, tt.want)
			rows := map[string]string{"1": "1", "other": "2", "same": "1", "m": "1", "partial": "1"}
			rows[tt.first.id] = tt.first.content
			f.wantRows(rows)
			if got := f.doubts.about(`"fhir"."patient"`); got != tt.doubted {
				t.Errorf("the next group is asked for at once: %t, want %t", got, tt.doubted)
			}
		})
	}
}

// TestGuessSeesConflicts: an update by guess tells two contents of one date.
func TestGuessSeesConflicts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sampled = 1
	f.write(batchOf(f.accept(fhirmsg.ModeSync), res{id: "a", content: "1", stamp: 1000}, res{id: "b", content: "1", stamp: 1001}))
	got := f.write(batchOf(f.accept(fhirmsg.ModeSync), res{id: "a", content: "2", stamp: 1001}, res{id: "b", content: "2", stamp: 1001}))
	wantCounts(t, "one of the same date", got, ledger.Counts{Updated: 2, Conflicts: 1})
}

// TestGuessSeesOtherSuppliers: what is another's is counted, also where it turns out as guessed.
func TestGuessSeesOtherSuppliers(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]ledger.Outcome{"1": ledger.Unchanged, "2": ledger.Updated} {
		t.Run(want.String(), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.sampled = 1
			f.write(batchOf(f.acceptOf("b"), res{id: "1", content: "1"}))
			f.write(batchOf(f.acceptOf("a"), res{id: "2", content: "1"}))
			got := f.write(batchOf(f.acceptOf("b"), res{id: "1", content: content}, res{id: "2", content: content}))
			if got.Foreign != 1 || got.Total() != 2 {
				t.Errorf("counts %+v, want two, of which one was another supplier's", got)
			}
		})
	}
}

// TestGuessSeesTombstones: what was deleted is not inserted by guess.
func TestGuessSeesTombstones(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sampled = 1
	old, later := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(later, res{id: "gone", deleted: true}))
	wantCounts(t, "older than a deletion", f.write(batchOf(old, res{id: "a", content: "1"}, res{id: "gone", content: "1"})),
		ledger.Counts{Inserted: 1, Stale: 1})
}

// TestDoubts: after each wrong guess twice as many groups are asked for at once, and after right ones fewer again.
func TestDoubts(t *testing.T) {
	t.Parallel()
	var d doubts
	asked := func() (n int) {
		for d.about("t") {
			n++
		}
		return n
	}
	for _, want := range []int{leastDoubt, 2 * leastDoubt, 4 * leastDoubt} {
		d.add("t")
		if got := asked(); got != want {
			t.Errorf("%d groups are asked for, want %d", got, want)
		}
	}
	d.remove("t")
	d.remove("t")
	d.add("t")
	if got := asked(); got != 2*leastDoubt {
		t.Errorf("after two right guesses %d groups are asked for, want %d", got, 2*leastDoubt)
	}
	if d.about("another") {
		t.Error("another table is doubted")
	}
}
