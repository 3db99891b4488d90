package store

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// replay makes a running replay of dataset fhir that reads n messages.
func (f *fixture) replay(into string, force bool, n int64) Replay {
	f.t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	r := ledger.Replay{ID: id, Dataset: "fhir", Into: into, Force: force, First: 1, Last: uint64(n),
		Types: []ledger.ReplayType{{Type: "Patient", First: 1, Last: uint64(n), Messages: n}}}
	if err := f.ledger.PrepareReplay(f.t.Context(), r); err != nil {
		f.t.Fatal(err)
	}
	if err := f.ledger.StartReplay(f.t.Context(), r); err != nil {
		f.t.Fatal(err)
	}
	return Replay{ID: id, Into: into, Force: force}
}

func (f *fixture) again(r Replay, batches ...fhirmsg.Batch) ledger.Counts {
	f.t.Helper()
	sequences := make([]uint64, len(batches))
	for i := range sequences {
		sequences[i] = uint64(i + 1)
	}
	result, err := f.Replay(f.t.Context(), r, batches, sequences)
	if err != nil {
		f.t.Fatal(err)
	}
	return result.Counts
}

// settled ends a replay and returns it.
func (f *fixture) settled(r Replay) ledger.Replay {
	f.t.Helper()
	if err := f.ledger.SettleReplay(f.t.Context(), r.ID); err != nil {
		f.t.Fatal(err)
	}
	replay, err := f.ledger.Replay(f.t.Context(), r.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return replay
}

func (f *fixture) exec(sql string) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), sql); err != nil {
		f.t.Fatal(err)
	}
}

// TestReplayOverRows: what is there stays, also what is newer; what is lost comes back; a message
// that comes twice is stated once.
func TestReplayOverRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", content: "1"})
	newer := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "b", content: "2"}, res{id: "c", deleted: true})
	f.write(old)
	f.write(newer)
	rows := map[string]string{"a": "1", "b": "2", "c": "deleted"}
	r := f.replay("fhir", false, 2)
	wantCounts(t, "over rows", f.again(r, old, newer), ledger.Counts{Stale: 1})
	f.wantRows(rows)
	f.again(r, old, newer)
	done := f.settled(r)
	if sum := done.Sum(); done.State != ledger.ReplayComplete || sum.Done != 2 || sum.Resources != 4 || sum.Present != 3 || sum.Stale != 1 {
		t.Errorf("replay %s: %+v", done.State, sum)
	}

	f.exec(`TRUNCATE fhir.patient, fhir.tombstone`)
	wantCounts(t, "into nothing", f.again(f.replay("fhir", false, 2), newer, old), ledger.Counts{Inserted: 2, Deleted: 1, Stale: 1})
	f.wantRows(rows)
	if s, err := f.ledger.Status(t.Context(), old.Import.ID); err != nil || s.ByType["Patient"] != (ledger.Counts{Inserted: 2}) {
		t.Errorf("the import's account became %+v (%v)", s.ByType, err)
	}
	wantCounts(t, "after its end", f.again(r, old), ledger.Counts{})
}

// TestForcedReplay: rows are written again at equal version, and none over a newer one.
func TestForcedReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"}, res{id: "b", content: "1"}, res{id: "c", content: "1"})
	newer := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "b", content: "2"})
	f.write(old)
	f.write(newer)
	f.exec(`UPDATE fhir.patient SET resource = '{"x": 99}' WHERE id IN ('a', 'b')`)
	wantCounts(t, "not forced", f.again(f.replay("fhir", false, 1), old), ledger.Counts{Stale: 1})
	f.wantRows(map[string]string{"a": "99", "b": "99", "c": "1"})
	wantCounts(t, "the older, forced", f.again(f.replay("fhir", true, 1), old), ledger.Counts{Updated: 1, Stale: 1})
	f.wantRows(map[string]string{"a": "1", "b": "99", "c": "1"})
	wantCounts(t, "the newer, forced", f.again(f.replay("fhir", true, 1), newer), ledger.Counts{Updated: 1})
	f.wantRows(map[string]string{"a": "1", "b": "2", "c": "1"})
	var forgotten int
	if err := f.pool.QueryRow(t.Context(), `SELECT count(*) FROM fhir.patient WHERE hash IS NULL`).Scan(&forgotten); err != nil || forgotten != 0 {
		t.Errorf("%d rows without a hash (%v)", forgotten, err)
	}
	fourth := f.accept(fhirmsg.ModeOverwrite)
	wantCounts(t, "an import after it", f.write(batchOf(fourth, res{id: "a", content: "1"})), ledger.Counts{Unchanged: 1})
}

// TestReplayDoesAsBefore: what was cancelled or rejected then stays out, what was stored before
// the cancellation comes back.
func TestReplayDoesAsBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.accept(fhirmsg.ModeOverwrite)
	before := batchOf(imp, res{id: "a", content: "1"}, res{id: "bad", content: `"\u0000"`})
	f.write(before)
	if err := f.ledger.Cancel(t.Context(), imp.ID); err != nil {
		t.Fatal(err)
	}
	after := batchOf(imp, res{id: "b", content: "1"})
	f.write(after)
	f.exec(`TRUNCATE fhir.patient`)
	wantCounts(t, "replayed", f.again(f.replay("fhir", false, 2), before, after), ledger.Counts{Inserted: 1, Rejected: 1, Cancelled: 1})
	f.wantRows(map[string]string{"a": "1"})
}

// TestReplayInto: another dataset gets what was stored, and only that.
func TestReplayInto(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.accept(fhirmsg.ModeOverwrite)
	stored, lost := batchOf(imp, res{id: "a", content: "1"}), batchOf(imp, res{id: "b", content: "1"})
	f.write(stored)
	r := f.replay("other", false, 2)
	wantCounts(t, "into another", f.again(r, stored, lost), ledger.Counts{Inserted: 1})
	var ids string
	if err := f.pool.QueryRow(t.Context(), `SELECT string_agg(id, ' ') FROM other.patient`).Scan(&ids); err != nil || ids != "a" {
		t.Errorf("the other dataset has %q (%v)", ids, err)
	}
	if done := f.settled(r); done.State != ledger.ReplayFailed || done.Sum().Unstated != 1 {
		t.Errorf("replay %s: %s", done.State, done.Reason)
	}
	wantCounts(t, "what was not stated comes later", f.write(lost), ledger.Counts{Inserted: 1})
}

// TestMissingMessagesFail: a replay that could not read all is not complete.
func TestMissingMessagesFail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"})
	f.write(b)
	r := f.replay("fhir", false, 2)
	f.again(r, b)
	if done := f.settled(r); done.State != ledger.ReplayFailed || done.Reason == "" {
		t.Errorf("replay %s: %s", done.State, done.Reason)
	}
}

// TestDroppedStaysDropped: a message that is delivered again after the dataset was dropped does
// not bring it back, nor into one that a new import made since.
func TestDroppedStaysDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	imp := f.accept(fhirmsg.ModeOverwrite)
	b := batchOf(imp, res{id: "a", content: "1"}, res{id: "b", content: "1"})
	f.write(b)
	f.exec(`UPDATE stoker.import SET state = 'complete', ended = now()`)
	if err := pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error {
		if err := ledger.DropDataset(t.Context(), tx, "fhir"); err != nil {
			return err
		}
		return DropTables(t.Context(), tx, "fhir")
	}); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, "delivered again", f.write(b), ledger.Counts{Cancelled: 2})
	var there bool
	if err := f.pool.QueryRow(t.Context(), `SELECT to_regclass('fhir.patient') IS NOT NULL`).Scan(&there); err != nil || there {
		t.Errorf("the table is there again (%v)", err)
	}
	accepted := f.accept(fhirmsg.ModeOverwrite)
	wantCounts(t, "a new import", f.write(batchOf(accepted, res{id: "a", content: "2"})), ledger.Counts{Inserted: 1})
	wantCounts(t, "delivered again, and late", f.write(b), ledger.Counts{Cancelled: 2})
	wantCounts(t, "together", f.write(b, batchOf(accepted, res{id: "c", content: "2"})), ledger.Counts{Inserted: 1, Cancelled: 2})
	f.wantRows(map[string]string{"a": "2", "c": "2"})
	if s, err := f.ledger.Status(t.Context(), imp.ID); err != nil || s.Resources.Inserted != 2 || s.Resources.Cancelled != 0 {
		t.Errorf("of the import that was dropped %d are inserted and %d cancelled, %v; want what was stated first", s.Resources.Inserted, s.Resources.Cancelled, err)
	}
}

// TestAcceptedBesideADrop: an import that waits while its dataset is dropped is issued later, also where the dataset is there again,
// and so is one for which the database's clock went back.
func TestAcceptedBesideADrop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.accept(fhirmsg.ModeOverwrite)
	f.exec(`UPDATE stoker.import SET state = 'complete', ended = now()`)
	wantLater := func(what string, imp fhirmsg.Import) {
		t.Helper()
		if at, err := f.ledger.DroppedAt(t.Context(), "fhir"); err != nil || at.IsZero() || imp.Issued <= at.UnixMicro() {
			t.Errorf("%s: issued at %d, and the dataset dropped at %d (%v)", what, imp.Issued, at.UnixMicro(), err)
		}
	}
	beside := func(what string, drop func(tx pgx.Tx) error) {
		t.Helper()
		accepted := make(chan fhirmsg.Import, 1)
		if err := pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `SELECT FROM stoker.dataset FOR UPDATE`); err != nil {
				return err
			}
			go func() { defer close(accepted); accepted <- f.accept(fhirmsg.ModeOverwrite) }()
			f.waitForWaiters(1) // it is issued
			return drop(tx)
		}); err != nil {
			t.Fatal(err)
		}
		wantLater(what, <-accepted)
	}
	beside("dropped", func(tx pgx.Tx) error { return ledger.DropDataset(t.Context(), tx, "fhir") })
	beside("dropped and there again", func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE stoker.dropped SET at = clock_timestamp()`)
		return err
	})
	f.exec(`UPDATE stoker.dropped SET at = clock_timestamp() + interval '1 hour'`)
	wantLater("the clock went back", f.accept(fhirmsg.ModeOverwrite))
}

// TestForcedReplayRaces: a newer version that comes between the question and the forced write
// stays.
func TestForcedReplayRaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := batchOf(f.accept(fhirmsg.ModeOverwrite), res{id: "a", content: "1"})
	f.write(old)
	r := f.replay("fhir", true, 1)
	newer, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = newer.Rollback(context.Background()) }()
	if _, err := newer.Exec(t.Context(), `UPDATE fhir.patient SET resource = '{"x": 2}', issued = now() + interval '1 hour' WHERE id = 'a'`); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 1)
	go func() { _, err := f.Replay(t.Context(), r, []fhirmsg.Batch{old}, []uint64{1}); errs <- err }()
	f.waitForWaiters(1) // it has asked, and waits for the row
	if err := newer.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	f.wantRows(map[string]string{"a": "2"})
}
