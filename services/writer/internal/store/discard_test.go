package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// end ends imports.
func (f *fixture) end(imports ...fhirmsg.Import) {
	f.t.Helper()
	for _, imp := range imports {
		if _, err := f.pool.Exec(f.t.Context(), `UPDATE stoker.import SET state = 'complete', ended = clock_timestamp() WHERE id = $1`, [16]byte(imp.ID)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) discard(imp fhirmsg.Import, file string) Discarded {
	f.t.Helper()
	d, err := Discard(f.t.Context(), f.pool, imp.ID, file, false)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// inFile puts a batch into a file of its import.
func inFile(b fhirmsg.Batch, file int32) fhirmsg.Batch {
	b.File = file
	b.Seal()
	return b
}

// elsewhere is a batch for another dataset.
func elsewhere(b fhirmsg.Batch, dataset string) fhirmsg.Batch {
	b.Import.Dataset = dataset
	return b
}

// wantAsWithout holds that dataset fhir is as if only some of its batches had come.
func (f *fixture) wantAsWithout(what string, batches []fhirmsg.Batch, gone func(fhirmsg.Batch) bool) {
	f.t.Helper()
	f.expectations++
	expected := fmt.Sprintf("expected%d", f.expectations)
	f.setHistory(expected, true, true)
	for _, b := range batches {
		if !gone(b) {
			f.write(elsewhere(b, expected))
		}
	}
	if diff := cmp.Diff(f.state(expected), f.state("fhir")); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// scene are imports with all that can happen between them, of which x is to be discarded. Its file 1
// is the second half.
func scene(f *fixture) (batches []fhirmsg.Batch, x fhirmsg.Import) {
	before := f.accept(fhirmsg.ModeOverwrite)
	x = f.accept(fhirmsg.ModeOverwrite)
	after := f.accept(fhirmsg.ModeOverwrite)
	batches = []fhirmsg.Batch{
		batchOf(before, res{id: "updated", content: "1"}, res{id: "removed", content: "1"}, res{id: "same", content: "1"},
			res{id: "full", content: "1"}, res{id: "part", content: "1", subsetted: true}, res{id: "dead", deleted: true}, res{id: "dead twice", deleted: true},
			res{id: "updated twice", content: "1"}, res{id: "in both files", content: "1"}, res{id: "full before a part", content: "1"},
			res{id: "two lines", content: "1"}, res{id: "two lines", content: "2"}),
		batchOf(after, res{id: "later", content: "3"}, res{id: "later dead", deleted: true}, res{id: "same later", content: "2"}),
		batchOf(x, res{id: "updated", content: "2"}, res{id: "removed", deleted: true}, res{id: "same", content: "1"},
			res{id: "new", content: "2"}, res{id: "later", content: "2"}, res{id: "later dead", content: "2"}, res{id: "in both files", content: "2"},
			res{id: "full before a part", content: "2"}, res{id: "two lines", content: "3"}),
		inFile(batchOf(x, res{id: "full", content: "2", subsetted: true}, res{id: "part", content: "2"}, res{id: "dead", content: "2"},
			res{id: "dead twice", deleted: true}, res{id: "unknown", deleted: true}, res{id: "updated twice", content: "2"}, res{id: "new in 1", content: "2"},
			res{id: "new in 1", content: "3"}, res{id: "same later", content: "2"}, res{id: "in both files", deleted: true}), 1),
		batchOf(after, res{id: "updated twice", content: "3"}, res{id: "part", content: "3", subsetted: true}, res{id: "full before a part", content: "3", subsetted: true}),
	}
	for _, b := range batches {
		f.write(b)
	}
	f.end(before, x, after)
	for file, name := range []string{"a.ndjson", "b.ndjson"} {
		if _, err := f.pool.Exec(f.t.Context(), `INSERT INTO stoker.file (import, file, name, locator) VALUES ($1, $2, $3, '{}')`, [16]byte(x.ID), file, name); err != nil {
			f.t.Fatal(err)
		}
	}
	return batches, x
}

// TestDiscardWithHistory: what is left is what would be there if the import, or its file, had never
// come; also after everything was written again, in any order.
func TestDiscardWithHistory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file        string
		index             int32
		removed, restored int64
		left              ledger.Counts // of the import's account
	}{
		{"all", "", ledger.AllFiles, 3, 9, ledger.Counts{Discarded: 19}},
		{"first file", "a.ndjson", 0, 1, 5, ledger.Counts{Discarded: 9, Inserted: 2, Updated: 2, Unchanged: 1, Deleted: 2, Stale: 2, Skipped: 1}},
		{"second file", "1", 1, 2, 4, ledger.Counts{Discarded: 10, Updated: 4, Deleted: 1, Unchanged: 1, Inserted: 1, Stale: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.setHistory("fhir", true, true)
			batches, x := scene(f)
			gone := func(b fhirmsg.Batch) bool {
				return b.Import.ID == x.ID && (tt.index == ledger.AllFiles || b.File == tt.index)
			}
			before := f.state("fhir")
			if _, err := Discard(t.Context(), f.pool, x.ID, tt.file, true); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, f.state("fhir")); diff != "" {
				t.Errorf("a rehearsal changed something (-want +got):\n%s", diff)
			}
			d := f.discard(x, tt.file)
			if d.Removed != tt.removed || d.Restored != tt.restored || d.Edited != 0 || d.File != tt.index {
				t.Errorf("%+v; want removed %d, restored %d", d, tt.removed, tt.restored)
			}
			f.wantAsWithout("discarded", batches, gone)
			s, err := f.ledger.Status(t.Context(), x.ID)
			if err != nil {
				t.Fatal(err)
			}
			wantCounts(t, "account", s.Resources.Counts, tt.left)

			for range 3 {
				rand.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
				for _, b := range batches {
					c := f.write(b)
					if want := int64(b.Rows); gone(b) && c.Discarded != want {
						t.Errorf("a message that was discarded: %+v, want %d discarded", c, want)
					}
				}
			}
			f.wantAsWithout("written again", batches, gone)
			if d := f.discard(x, tt.file); d.Removed != 0 || d.Restored != 0 {
				t.Errorf("discarded again: %+v", d)
			}
			f.wantAsWithout("discarded again", batches, gone)
			if s, err = f.ledger.Status(t.Context(), x.ID); err != nil || !strings.Contains(s.Reason, "discarded") || strings.Count(s.Reason, "discarded") != 1 {
				t.Errorf("reason %q, %v", s.Reason, err)
			}
			wantCounts(t, "account in the end", s.Resources.Counts, tt.left)
		})
	}
}

// TestDiscardKeepsWhatWasInsertedByHand, and an edit of a row goes with the row.
func TestDiscardKeepsWhatWasInsertedByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	if _, err := f.pool.Exec(t.Context(), `INSERT INTO fhir.patient (id, resource) VALUES ('hand', '{"x": 0}')`); err != nil {
		t.Fatal(err)
	}
	x := f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(x, res{id: "a", content: "2"}, res{id: "hand", content: "2"}))
	if _, err := f.pool.Exec(t.Context(), `UPDATE fhir.patient SET resource = '{"x": 99}' WHERE id = 'a'`); err != nil {
		t.Fatal(err)
	}
	f.end(x)
	if d := f.discard(x, ""); d.Edited != 1 || d.Restored != 2 {
		t.Errorf("%+v; want 2 restored, 1 of them edited", d)
	}
	f.wantRows(map[string]string{"a": "1", "hand": "0"})
	if got := f.lines(`SELECT id FROM fhir.patient WHERE import IS NULL`); !slices.Equal(got, []string{"hand"}) {
		t.Errorf("rows of no import: %v", got)
	}
}

// TestDiscardedVersionOnly: where only the version moves back, readers of changes see nothing.
func TestDiscardedVersionOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", content: "1"}))
	changed := `SELECT id || ' ' || changed::text FROM fhir.patient ORDER BY id`
	before := f.lines(changed)
	x := f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(x, res{id: "a", content: "1"}, res{id: "b", content: "2"}))
	f.end(x)
	f.discard(x, "")
	after := f.lines(changed)
	if after[0] != before[0] || after[1] == before[1] {
		t.Errorf("changed: %v, before %v; want the same for a only", after, before)
	}
}

// TestDiscardARetry: two retries brought the same versions; what one of them brought stays when the other
// is discarded, whichever came first.
func TestDiscardARetry(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		f := newFixture(t)
		f.setHistory("fhir", true, true)
		original := f.accept(fhirmsg.ModeOverwrite)
		var retries []fhirmsg.Import
		place := batchOf(original, res{id: "a", content: "1"})
		for range 2 {
			imp := f.accept(fhirmsg.ModeOverwrite)
			imp.Issued, imp.Accepted, imp.Retry = original.Issued, imp.Issued, original.ID
			b := place
			b.Import = imp
			f.write(b)
			retries = append(retries, imp)
		}
		f.end(retries...)
		slices.Reverse(retries[:map[bool]int{true: 0, false: 2}[first]])
		f.discard(retries[0], "")
		f.wantRows(map[string]string{"a": "1"})
		if d := f.discard(retries[1], ""); d.Removed != 1 {
			t.Errorf("%+v; want 1 removed", d)
		}
		f.wantRows(map[string]string{})
	}
}

// TestDiscardWithoutHistory: what nothing depends on can be discarded, and anything else is refused
// with numbers, and stays as it is.
func TestDiscardWithoutHistory(t *testing.T) {
	t.Parallel()
	type step func(f *fixture, x fhirmsg.Import)
	newer := func(r ...res) step {
		return func(f *fixture, _ fhirmsg.Import) { f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), r...)) }
	}
	brings := func(r ...res) step {
		return func(f *fixture, x fhirmsg.Import) { f.write(batchOf(x, r...)) }
	}
	exec := func(sql string) step {
		return func(f *fixture, _ fhirmsg.Import) {
			if _, err := f.pool.Exec(f.t.Context(), sql); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		steps []step
		keys  int64  // that stand against it
		why   string // "": it can be discarded
	}{
		{"inserted only", []step{brings(res{id: "a", content: "1"})}, 0, ""},
		{"others beside it", []step{newer(res{id: "n", content: "0"}, res{id: "m", deleted: true}), brings(res{id: "a", content: "1"}), newer(res{id: "n", content: "1"})}, 0, ""},
		{"updated", []step{exec(`INSERT INTO fhir.patient (id, resource) VALUES ('a', '{}')`), brings(res{id: "a", content: "1"})}, 1, "replaced"},
		{"same content", []step{brings(res{id: "a", content: "1", stamp: 5}), brings(res{id: "a", content: "1"})}, 1, "same content"},
		{"deletions", []step{brings(res{id: "a", content: "1"}, res{id: "b", deleted: true}, res{id: "c", deleted: true})}, 2, "are deletions"},
		{"brought back to life", []step{exec(`INSERT INTO fhir.tombstone (type, id) VALUES ('Patient', 'a')`), brings(res{id: "a", content: "1"})}, 1, "were deleted before"},
		{"one key twice", []step{brings(res{id: "a", content: "1"}, res{id: "a", content: "2"})}, 1, "gave way"},
		{"replaced and confirmed since", []step{brings(res{id: "a", content: "1"}, res{id: "b", content: "1"}, res{id: "c", content: "1"}), newer(res{id: "a", content: "2"}, res{id: "b", content: "1"})}, 2, "by later imports"},
		{"deleted since", []step{brings(res{id: "a", content: "1"}), newer(res{id: "a", deleted: true})}, 1, "by later imports"},
		{"edited by hand", []step{brings(res{id: "a", content: "1"}), exec(`UPDATE fhir.patient SET resource = '{}' WHERE id = 'a'`)}, 1, "edited by hand"},
		{"something older came later", []step{brings(res{id: "a", content: "1"}), newer(res{id: "a", content: "1", stamp: 7})}, 1, "found older"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if err := f.ensure(t.Context(), "fhir", "patient"); err != nil {
				t.Fatal(err)
			}
			x := f.accept(fhirmsg.ModeOverwrite)
			for _, do := range tt.steps {
				do(f, x)
			}
			before := f.state("fhir")
			if _, err := Discard(t.Context(), f.pool, x.ID, "", false); !errors.Is(err, ledger.ErrState) || !strings.Contains(err.Error(), "stoker cancel") {
				t.Errorf("not ended: %v", err)
			}
			f.end(x)
			f.setHistory("fhir", true, true) // too late for x
			withHistory := f.state("fhir")
			d, err := Discard(t.Context(), f.pool, x.ID, "", false)
			if tt.why == "" {
				mine := func(line string) bool { return strings.Contains(line, `"import": "`+x.ID.String()) }
				if err != nil || d.Removed != 1 || d.Restored != 0 {
					t.Fatalf("%+v, %v; want 1 removed", d, err)
				}
				if diff := cmp.Diff(slices.DeleteFunc(withHistory, mine), f.state("fhir")); diff != "" {
					t.Errorf("left (-want +got):\n%s", diff)
				}
				wantCounts(t, "late", f.write(batchOf(x, res{id: "z", content: "1"})), ledger.Counts{Discarded: 1})
				return
			}
			var refusal *Refusal
			if !errors.As(err, &refusal) || !errors.Is(err, ledger.ErrState) || refusal.Keys() != tt.keys || len(refusal.Reasons) != 1 {
				t.Fatalf("%v; want a refusal with %d keys for one reason", err, tt.keys)
			}
			if want := fmt.Sprintf("\n  %d ", tt.keys); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%v; want %q and %q", err, want, tt.why)
			}
			f.setHistory("fhir", false, true)
			if got := f.state("fhir"); !cmp.Equal(withHistory, got) || len(before) == 0 {
				t.Errorf("a refused discard changed something:\n%s", cmp.Diff(withHistory, got))
			}
			if got := f.lines(`SELECT 'x' FROM stoker.discard`); len(got) != 0 {
				t.Error("a refused discard was recorded")
			}
		})
	}
}

// TestDiscardBesideWriters: messages come again all the while an import is discarded.
func TestDiscardBesideWriters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true)
	batches, x := scene(f)
	gone := func(b fhirmsg.Batch) bool { return b.Import.ID == x.ID }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group errgroup.Group
	for worker := range 3 {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for round := 0; round < 5 || ctx.Err() == nil; round++ {
				b := batches[random.IntN(len(batches))]
				if _, err := f.Write(t.Context(), []fhirmsg.Batch{b}); err != nil && !errors.Is(err, ledger.ErrLocked) {
					return err
				}
			}
			return nil
		})
	}
	f.discard(x, "b.ndjson")
	f.discard(x, "")
	cancel()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	f.wantAsWithout("discarded beside writers", batches, gone)
}

// TestDiscardWaitsForTheWriter: a transaction that began before the discard is undone by it, for the
// discard waits for its end.
func TestDiscardWaitsForTheWriter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.setHistory("fhir", true, true)
	batches, x := scene(f)
	writer, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Rollback(context.Background()) }()
	late := inFile(batchOf(x, res{id: "late", content: "1"}), 1)
	g, err := newGroup([]fhirmsg.Batch{late})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock(t.Context(), writer, g); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Discard(t.Context(), f.pool, x.ID, "", false)
		done <- err
	}()
	f.waitForWaiters(1)
	if n := f.pool.Stat().AcquiredConns(); n != 1 {
		t.Errorf("%d connections of the pool are taken; want the writer's, and none by the discard, which may take minutes", n)
	}
	g.history = true
	if err := save(t.Context(), writer, g, g.rows, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.RecordWritten(t.Context(), writer, g.statements()); err != nil {
		t.Fatal(err)
	}
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.wantAsWithout("with the late one", batches, func(b fhirmsg.Batch) bool { return b.Import.ID == x.ID })
}

// TestDiscardUnknown: what is not there is said to be so.
func TestDiscardUnknown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, x := scene(f)
	if _, err := Discard(t.Context(), f.pool, fhirmsg.ImportID{1}, "", false); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unknown import: %v", err)
	}
	for _, file := range []string{"c.ndjson", "7", "-1"} {
		if _, err := Discard(t.Context(), f.pool, x.ID, file, false); !errors.Is(err, ledger.ErrState) || !strings.Contains(err.Error(), "no file") {
			t.Errorf("file %q: %v", file, err)
		}
	}
}

// TestDiscardAnyOrder: imports that touch the same few keys in all ways, written in any order and more
// than once, and files of them discarded at any time in between, end as if what was discarded
// had never come.
func TestDiscardAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.setHistory("fhir", true, true)
			random := rand.New(rand.NewPCG(seed, 0))
			var imports []fhirmsg.Import
			var batches []fhirmsg.Batch
			for range 5 {
				imp := f.accept(fhirmsg.ModeSync)
				imports = append(imports, imp)
				for file := range int32(2) {
					if _, err := f.pool.Exec(t.Context(), `INSERT INTO stoker.file (import, file, name, locator) VALUES ($1, $2, $2::int::text, '{}')`, [16]byte(imp.ID), file); err != nil {
						t.Fatal(err)
					}
					var list []res
					for range 1 + random.IntN(8) {
						kind := random.IntN(8)
						list = append(list, res{
							id: fmt.Sprint("key", random.IntN(4)), content: fmt.Sprint(random.IntN(3)), stamp: int64(1 + random.IntN(2)),
							deleted: kind == 0, subsetted: kind == 1,
						})
					}
					batches = append(batches, inFile(batchOf(imp, list...), file))
				}
			}
			f.end(imports...)
			type target struct {
				id   fhirmsg.ImportID
				file int32
			}
			discarded := map[target]bool{}
			for range 3 {
				for _, i := range random.Perm(len(batches)) {
					if random.IntN(10) == 0 {
						b := batches[random.IntN(len(batches))]
						d := f.discard(b.Import, fmt.Sprint(b.File))
						discarded[target{d.Import, d.File}] = true
					}
					f.write(batches[i])
				}
			}
			if len(discarded) == 0 {
				t.Fatal("a seed without a discard")
			}
			f.wantAsWithout(fmt.Sprintf("%d files discarded", len(discarded)), batches, func(b fhirmsg.Batch) bool {
				return discarded[target{b.Import.ID, b.File}]
			})
		})
	}
}
