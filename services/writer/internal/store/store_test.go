package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

// fixture is a store on a database of its own.
type fixture struct {
	*Store
	t      *testing.T
	pool   *pgxpool.Pool
	ledger *ledger.Ledger

	expectations int // datasets to compare with
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	pool := ledgertest.New(t)
	return &fixture{Store: New(pool), t: t, pool: pool, ledger: ledger.New(pool)}
}

// accept makes an import, issued after those before.
func (f *fixture) accept(mode fhirmsg.Mode) fhirmsg.Import {
	f.t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	req := fhirmsg.ImportRequest{ID: id, Mode: mode, Sources: []fhirmsg.Source{{Path: "/x"}}}.WithDefaults()
	imp, state, err := f.ledger.Accept(f.t.Context(), req, 2, "")
	if err != nil || state != ledger.StateAccepted {
		f.t.Fatalf("accept: %s, %v", state, err)
	}
	return imp
}

// res is a resource for a batch: id, content and stamp (0: the import's).
type res struct {
	id, content string
	stamp       int64
	deleted     bool
	subsetted   bool
}

// offset of the next batch: a batch's place is its identity.
var nextOffset = struct {
	sync.Mutex
	n int64
}{}

func batchOf(imp fhirmsg.Import, resources ...res) fhirmsg.Batch {
	nextOffset.Lock()
	nextOffset.n += 1000
	offset := nextOffset.n
	nextOffset.Unlock()
	b := fhirmsg.Batch{BatchHeader: fhirmsg.BatchHeader{
		Import: imp, Place: fhirmsg.Place{Offset: offset, Length: 1000}, Type: "Patient", Rows: len(resources),
	}}
	for i, r := range resources {
		record := fhirmsg.Record{ID: []byte(r.id), Stamp: r.stamp, Line: offset + int64(i), Deleted: r.deleted, Subsetted: r.subsetted}
		if record.Stamp == 0 {
			record.Stamp = imp.Issued
		}
		if !r.deleted {
			record.Body = fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"x":%s}`, r.id, r.content)
			record.Hash = fhirmsg.HashOf(record.Body)
		}
		b.Body = fhirmsg.AppendRecord(b.Body, record)
	}
	b.Seal()
	return b
}

func (f *fixture) write(batches ...fhirmsg.Batch) ledger.Counts {
	f.t.Helper()
	result, err := f.Write(f.t.Context(), batches)
	if err != nil {
		f.t.Fatal(err)
	}
	return result.Counts
}

// rows are what a reader sees: id → content; a tombstone is "deleted".
func (f *fixture) rows() map[string]string {
	f.t.Helper()
	got := map[string]string{}
	rows, err := f.pool.Query(f.t.Context(), `SELECT id, resource->'x' FROM fhir.patient
		UNION ALL SELECT id, '"deleted"' FROM fhir.tombstone WHERE type = 'Patient'`)
	if err != nil {
		f.t.Fatal(err)
	}
	var id string
	var x json.RawMessage
	if _, err := pgx.ForEachRow(rows, []any{&id, &x}, func() error {
		if other, twice := got[id]; twice {
			return fmt.Errorf("key %s is there twice: %s and %s", id, other, x)
		}
		got[id] = strings.Trim(string(x), `"`)
		return nil
	}); err != nil {
		f.t.Fatal(err)
	}
	return got
}

func (f *fixture) wantRows(want map[string]string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.rows()); diff != "" {
		f.t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func wantCounts(t *testing.T, what string, got, want ledger.Counts) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second, third := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)

	b1 := batchOf(first, res{id: "a", content: "1"}, res{id: "b", content: "1"})
	wantCounts(t, "new", f.write(b1), ledger.Counts{Inserted: 2})
	wantCounts(t, "the same message again", f.write(b1), ledger.Counts{})
	b3 := batchOf(third, res{id: "a", content: "3"}, res{id: "b", content: "1"})
	wantCounts(t, "newer: one changed, one equal", f.write(b3), ledger.Counts{Updated: 1, Unchanged: 1})
	wantCounts(t, "older than what is there", f.write(batchOf(second, res{id: "a", content: "2"}, res{id: "b", content: "2"})), ledger.Counts{Stale: 2})
	f.wantRows(map[string]string{"a": "3", "b": "1"})

	wantCounts(t, "the first again", f.write(b1), ledger.Counts{Stale: 2}) // repeated: its statement stands
	fourth := f.accept(fhirmsg.ModeOverwrite)
	wantCounts(t, "deletion", f.write(batchOf(fourth, res{id: "a", deleted: true}, res{id: "unknown", deleted: true})), ledger.Counts{Deleted: 2})
	f.wantRows(map[string]string{"a": "deleted", "b": "1", "unknown": "deleted"})
	wantCounts(t, "older than the deletion", f.write(batchOf(third, res{id: "a", content: "x"}, res{id: "unknown", content: "x"})), ledger.Counts{Stale: 2})
	fifth := f.accept(fhirmsg.ModeOverwrite)
	wantCounts(t, "deleted again, and brought to life", f.write(batchOf(fifth, res{id: "a", deleted: true}, res{id: "unknown", content: "5"})), ledger.Counts{Unchanged: 1, Inserted: 1})
	f.wantRows(map[string]string{"a": "deleted", "b": "1", "unknown": "5"})

	var stated ledger.Counts
	if err := f.pool.QueryRow(t.Context(), `SELECT sum(inserted)::bigint, sum(stale)::bigint FROM stoker.written WHERE import = $1`, [16]byte(first.ID)).
		Scan(&stated.Inserted, &stated.Stale); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "what the ledger says of the first import", stated, ledger.Counts{Inserted: 2})
}

func TestSyncModeAndConflicts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.accept(fhirmsg.ModeSync), f.accept(fhirmsg.ModeSync)
	wantCounts(t, "first", f.write(batchOf(first, res{id: "a", content: "1", stamp: 50}, res{id: "b", content: "1", stamp: 50})), ledger.Counts{Inserted: 2})
	wantCounts(t, "older date, and equal date with other content",
		f.write(batchOf(second, res{id: "a", content: "2", stamp: 40}, res{id: "b", content: "2", stamp: 50})),
		ledger.Counts{Stale: 1, Updated: 1, Conflicts: 1})
	f.wantRows(map[string]string{"a": "1", "b": "2"})
}

func TestSubsetted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imports := []fhirmsg.Import{f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)}
	wantCounts(t, "part first", f.write(batchOf(imports[1], res{id: "a", content: "2", subsetted: true})), ledger.Counts{Inserted: 1})
	wantCounts(t, "older and full", f.write(batchOf(imports[0], res{id: "a", content: "1"})), ledger.Counts{Updated: 1})
	wantCounts(t, "newer part", f.write(batchOf(imports[2], res{id: "a", content: "3", subsetted: true})), ledger.Counts{Skipped: 1})
	f.wantRows(map[string]string{"a": "1"})
}

func TestLastLineWinsWithinAnImport(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.accept(fhirmsg.ModeOverwrite)
	got := f.write(batchOf(imp, res{id: "a", content: "1"}, res{id: "a", content: "2"}), batchOf(imp, res{id: "a", content: "3"}, res{id: "b", content: "1"}))
	wantCounts(t, "four lines, two keys", got, ledger.Counts{Inserted: 2, Stale: 2})
	f.wantRows(map[string]string{"a": "3", "b": "1"})
}

// TestEditsByOthers: rows that were edited or inserted by hand are restored by the next import.
func TestEditsByOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	f.exec(`UPDATE fhir.patient SET resource = '{"x": 99}' WHERE id = 'a'`)
	f.exec(`INSERT INTO fhir.patient (id, resource) VALUES ('b', '{"x": 98}')`)
	got := f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", content: "1"}))
	wantCounts(t, "both restored", got, ledger.Counts{Updated: 2})
	f.wantRows(map[string]string{"a": "1", "b": "1"})
}

// TestForgetHash: a row that was edited by hand has no hash and a new change, also in a table that an older version made, whose trigger
// is made anew by the first writer that meets it.
func TestForgetHash(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", content: "1"}, res{id: "c", content: "1"}))
	edit := func(id string, wantBefore bool) {
		t.Helper()
		var now string
		if err := f.pool.QueryRow(t.Context(), `SELECT pg_current_xact_id()::text`).Scan(&now); err != nil {
			t.Fatal(err)
		}
		f.exec(`UPDATE fhir.patient SET resource = '{"x": 99}' WHERE id = '` + id + `'`)
		var forgotten, changed, before bool
		if err := f.pool.QueryRow(t.Context(), `SELECT p.hash IS NULL, p.changed > $2::text::xid8, t.tgtype & 2 = 2 FROM fhir.patient p, pg_trigger t
			WHERE p.id = $1 AND t.tgrelid = 'fhir.patient'::regclass AND t.tgname = 'forget_hash'`, id, now).Scan(&forgotten, &changed, &before); err != nil {
			t.Fatal(err)
		}
		if !forgotten || !changed || before != wantBefore {
			t.Errorf("%s: hash forgotten %v, changed moved %v, trigger before the update %v; want true, true, %v", id, forgotten, changed, before, wantBefore)
		}
	}
	edit("a", false)
	f.exec(`CREATE OR REPLACE TRIGGER forget_hash BEFORE UPDATE OF resource ON fhir.patient FOR EACH ROW
		WHEN (current_setting('stoker.writer', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION stoker.forget_hash()`)
	edit("b", true)
	restart := func(id string) {
		f.Store = New(f.pool) // as of a process that starts on what an older one left
		f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: id, content: "1"}))
	}
	busy, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // of nothing
	if _, err := busy.Exec(t.Context(), `DELETE FROM fhir.patient WHERE id = 'x'`); err != nil {
		t.Fatal(err)
	}
	restart("d") // goes on without, since somebody is at work on the table
	edit("c", true)
	if err := busy.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	restart("e")
	edit("d", false)
}

// TestForgetHashForEditors: who may change resources alone may do so, and makes no triggers with the rights of the function.
func TestForgetHashForEditors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	tx, err := f.pool.Begin(t.Context()) // roles are those of all databases: it is rolled back
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // it is over
	var forgotten bool
	for _, sql := range []string{
		`CREATE ROLE an_editor`, `GRANT USAGE, CREATE ON SCHEMA fhir TO an_editor`, `GRANT USAGE ON SCHEMA stoker TO an_editor`,
		`GRANT SELECT, UPDATE (resource) ON fhir.patient TO an_editor`, `SET LOCAL ROLE an_editor`,
		`UPDATE fhir.patient SET resource = '{"x": 97}'`, `CREATE TABLE fhir.mine (id text, resource jsonb)`,
	} {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := tx.QueryRow(t.Context(), `SELECT hash IS NULL FROM fhir.patient`).Scan(&forgotten); err != nil || !forgotten {
		t.Errorf("hash forgotten: %v, %v", forgotten, err)
	}
	_, err = tx.Exec(t.Context(), `CREATE TRIGGER t AFTER UPDATE ON fhir.mine FOR EACH ROW EXECUTE FUNCTION stoker.forget_hash()`)
	if err == nil || !strings.Contains(err.Error(), "permission denied for function") {
		t.Errorf("a trigger of an editor's: %v", err)
	}
}

// TestChangedMovesWithContentOnly holds what readers of changes rely on.
func TestChangedMovesWithContentOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	changed := func() (s string) {
		t.Helper()
		if err := f.pool.QueryRow(t.Context(), `SELECT changed::text FROM fhir.patient WHERE id = 'a'`).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	before := changed()
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	if got := changed(); got != before {
		t.Errorf("changed moved from %s to %s with equal content", before, got)
	}
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "2"}))
	if got := changed(); got == before {
		t.Errorf("changed stayed %s with other content", got)
	}
}

// TestTwoWritersRace forces the race of the version rule: both ask and see equal content of an
// older version, then both write. One must not undo the other.
func TestTwoWritersRace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		before       []res
		older, newer []res
		want         map[string]string
	}{
		{"equal hash seen, newer changes it back and forth",
			[]res{{id: "a", content: "1"}}, []res{{id: "a", content: "2"}}, []res{{id: "a", content: "1"}}, map[string]string{"a": "1"}},
		{"equal hash in the older, other content in the newer",
			[]res{{id: "a", content: "1"}}, []res{{id: "a", content: "1"}}, []res{{id: "a", content: "2"}}, map[string]string{"a": "2"}},
		{"both insert", nil, []res{{id: "a", content: "1"}}, []res{{id: "a", content: "2"}}, map[string]string{"a": "2"}},
		{"insert against deletion", nil, []res{{id: "a", content: "1"}}, []res{{id: "a", deleted: true}}, map[string]string{"a": "deleted"}},
		{"both bring to life", []res{{id: "a", deleted: true}}, []res{{id: "a", content: "1"}}, []res{{id: "a", content: "2"}}, map[string]string{"a": "2"}},
	}
	for _, tt := range tests {
		for _, olderFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, older first %v", tt.name, olderFirst), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				start := f.accept(fhirmsg.ModeOverwrite)
				if err := f.ensure(t.Context(), "fhir", "patient"); err != nil {
					t.Fatal(err)
				}
				if tt.before != nil {
					f.write(batchOf(start, tt.before...))
				}
				older, newer := batchOf(f.accept(fhirmsg.ModeOverwrite), tt.older...), batchOf(f.accept(fhirmsg.ModeOverwrite), tt.newer...)
				order := []fhirmsg.Batch{older, newer}
				if !olderFirst {
					slices.Reverse(order)
				}
				var total ledger.Counts
				for _, c := range f.raceAtTheTable(order) {
					total.Plus(c)
				}
				f.wantRows(tt.want)
				if total.Total() != 2 {
					t.Errorf("two resources, but outcomes for %d: %+v", total.Total(), total)
				}
			})
		}
	}
}

// raceAtTheTable holds a lock that lets writers read and not write, until all of them wait
// for it, or for each other.
func (f *fixture) raceAtTheTable(batches []fhirmsg.Batch) []ledger.Counts {
	f.t.Helper()
	ctx := f.t.Context()
	gate, err := f.pool.Begin(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = gate.Rollback(context.Background()) }()
	if _, err := gate.Exec(ctx, `LOCK TABLE fhir.patient, fhir.tombstone IN SHARE MODE`); err != nil {
		f.t.Fatal(err)
	}
	counts := make([]ledger.Counts, len(batches))
	errs := make(chan error, len(batches))
	for i, b := range batches {
		go func() {
			result, err := f.Write(ctx, []fhirmsg.Batch{b})
			counts[i] = result.Counts
			errs <- err
		}()
		f.waitForWaiters(i + 1)
	}
	if err := gate.Commit(ctx); err != nil {
		f.t.Fatal(err)
	}
	for range batches {
		if err := <-errs; err != nil {
			f.t.Fatal(err)
		}
	}
	return counts
}

// waitForWaiters waits until n backends of this database wait for a lock.
func (f *fixture) waitForWaiters(n int) {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var waiting int
		if err := f.pool.QueryRow(f.t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			f.t.Fatal(err)
		}
		if waiting >= n {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%d of %d writers wait", waiting, n)
		}
	}
}

// TestPoisonIsRejectedAlone: what only PostgreSQL refuses does not stop its neighbours.
func TestPoisonIsRejectedAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.accept(fhirmsg.ModeOverwrite)
	var resources []res
	for i := range 100 {
		resources = append(resources, res{id: fmt.Sprintf("r%02d", i), content: "1"})
	}
	resources[37].content = `"\u0000"` // jsonb has no such character
	resources[61].content = `1e999999` // nor such a number
	wantCounts(t, "98 and 2", f.write(batchOf(imp, resources...)), ledger.Counts{Inserted: 98, Rejected: 2})
	var rejected []string
	if err := f.ledger.Rejects(t.Context(), imp.ID, func(r ledger.RejectRow) error {
		rejected = append(rejected, r.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"r37", "r61"}; !slices.Equal(rejected, want) {
		t.Errorf("rejected %v, want %v", rejected, want)
	}
}

// TestConstraintOfTheUser: a constraint that someone put on the table rejects what breaks it.
func TestConstraintOfTheUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.ensure(t.Context(), "fhir", "patient"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.pool.Exec(t.Context(), `ALTER TABLE fhir.patient ADD CONSTRAINT small CHECK ((resource->>'x')::int < 10)`); err != nil {
		t.Fatal(err)
	}
	got := f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", content: "11"}))
	wantCounts(t, "one of two", got, ledger.Counts{Inserted: 1, Rejected: 1})
}

func TestDroppedTableIsMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}))
	if _, err := f.pool.Exec(t.Context(), `DROP SCHEMA fhir CASCADE`); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "after the drop", f.write(batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"})), ledger.Counts{Inserted: 1})
}

func TestCancelledImportIsNotStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(imp, res{id: "a", content: "1"}))
	if err := f.ledger.Cancel(t.Context(), imp.ID); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "after the cancellation", f.write(batchOf(imp, res{id: "b", content: "1"})), ledger.Counts{Cancelled: 1})
	f.wantRows(map[string]string{"a": "1"})
}

// TestDatasetLock: a write does not wait for whoever holds the dataset exclusively, as swap, drop and discard do, nor does it get in before
// one who waits for that. It takes nothing, and what it was to write is written afterwards.
func TestDatasetLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.accept(fhirmsg.ModeOverwrite), f.accept(fhirmsg.ModeOverwrite)
	f.write(batchOf(first, res{id: "a", content: "1"}))
	batches := []fhirmsg.Batch{batchOf(second, res{id: "a", content: "2"})}
	wantLocked := func(what string, store *Store) {
		t.Helper()
		if _, err := store.Write(t.Context(), batches); !errors.Is(err, ledger.ErrLocked) {
			t.Fatalf("%s: %v, want that the dataset is locked", what, err)
		}
	}
	writer, err := f.pool.Begin(t.Context()) // a writer at work
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Rollback(context.Background()) }()
	if err := ledger.ShareDataset(t.Context(), writer, "fhir"); err != nil {
		t.Fatal(err)
	}
	held, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- exclusively(t.Context(), f.pool, "fhir", func(pgx.Tx) error { close(held); <-release; return nil })
	}()
	f.waitForWaiters(1)
	wantLocked("while one waits", f.Store)
	if err := writer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held:
	case err := <-done:
		t.Fatal(err)
	}
	if n := f.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("who has the dataset takes %d connections of the pool", n)
	}
	wantLocked("while one has it", f.Store)
	wantLocked("of a process that has not seen the table", New(f.pool))
	f.wantRows(map[string]string{"a": "1"})
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.write(batches...)
	f.wantRows(map[string]string{"a": "2"})
}
