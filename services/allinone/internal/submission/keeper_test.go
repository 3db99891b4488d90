package submission

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fixture is a keeper over servers of its own, which does nothing by itself until it runs.
type fixture struct {
	*Keeper
	t *testing.T
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	servers := ledgertest.NewServers(t)
	pool, b := servers.Pool, servers.Bus
	l := ledger.New(pool)
	return &fixture{&Keeper{
		Bus: b, Ledger: l, Journal: journal.Journal{Bus: b, Ledger: l}, Operator: &operate.Operator{Bus: b, Ledger: l, Pool: pool}, Pool: pool, Log: zerolog.Nop(),
	}, t}
}

// runs runs the keeper until the test ends.
func (f *fixture) runs() {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	f.t.Cleanup(func() { stop(); running.Wait() })
}

// eventually waits until something is so.
func (f *fixture) eventually(what string, ok func() bool) {
	f.t.Helper()
	end := time.Now().Add(time.Minute)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		if time.Now().After(end) {
			f.t.Fatalf("waited in vain for %s", what)
		}
		<-ticker.C
	}
}

func key(supplier string) ledger.SubmissionKey {
	return ledger.SubmissionKey{Supplier: supplier, System: "https://a", Submitter: "a", Name: "s"}
}

// submit sends a request of a supplier's submission.
func (f *fixture) submit(supplier, manifest, replaces string, state ledger.SubmissionState) {
	f.t.Helper()
	_, _, err := f.Ledger.Submit(f.t.Context(), ledger.Submit{
		SubmissionKey: key(supplier), Dataset: supplier, Manifest: manifest, Replaces: replaces, State: state, MaxOpen: 10, MaxManifests: 10,
		Import: fhirmsg.ImportRequest{Supplier: supplier, Dataset: supplier, Sources: []fhirmsg.Source{{Manifest: manifest}}},
	})
	check(f.t, err)
}

func (f *fixture) accept(supplier, manifest string) fhirmsg.ImportID {
	f.t.Helper()
	id := key(supplier).ImportOf(manifest)
	_, _, err := f.Ledger.Accept(f.t.Context(), fhirmsg.ImportRequest{ID: id, Supplier: supplier, Dataset: supplier, Sources: []fhirmsg.Source{{Manifest: manifest}}}, 3, "d")
	check(f.t, err)
	return id
}

func (f *fixture) manifests(supplier string) []ledger.Submitted {
	f.t.Helper()
	list, err := f.Ledger.Manifests(f.t.Context(), key(supplier).ID())
	check(f.t, err)
	return list
}

func (f *fixture) queued() uint64 {
	f.t.Helper()
	n, err := f.Bus.LastSequence(f.t.Context(), fhirmsg.StreamOperator)
	check(f.t, err)
	return n
}

// TestLongTakesLittle: where many datasets are waited for, as by a discard that takes minutes, few connections are taken, and none of the pool.
func TestLongTakesLittle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	suppliers := []string{"a", "b", "c", "d", "e", "f", "g"}
	writer, err := f.Ledger.OutsidePool(t.Context()) // at work in all datasets
	check(t, err)
	defer func() { _ = writer.Close(context.WithoutCancel(t.Context())) }() // which ends its transaction
	tx, err := writer.Begin(t.Context())
	check(t, err)
	for _, supplier := range suppliers {
		f.submit(supplier, "https://a/1", "", "")
		check(t, ledger.LockDatasets(t.Context(), tx, false, supplier))
	}
	waiting := func() (n int) {
		t.Helper()
		check(t, f.Pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`).Scan(&n))
		return n
	}
	f.runs()
	f.eventually("the lock", func() bool { return waiting() >= longAtOnce })
	for range 50 {
		check(t, f.Ledger.Ready(t.Context()))
		if n := waiting(); n > longAtOnce {
			t.Fatalf("%d wait for a dataset, want at most %d", n, longAtOnce)
		}
	}
	check(t, tx.Rollback(t.Context()))
	f.eventually("the requests", func() bool { return f.queued() == uint64(len(suppliers)) })
}

// TestQueues: what was submitted is queued once its dataset keeps a history, which the keeper turns on, whether it was woken or not:
// a process that ended in between left it so.
func TestQueues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.submit("a", "https://a/1", "", "")
	f.submit("a", "https://a/2", "", "")
	f.submit("b", "https://b/1", "", "")
	if check(t, f.Queue(t.Context(), key("a").ID())); f.queued() != 0 {
		t.Error("queued without a history")
	}
	f.runs()
	f.eventually("the requests", func() bool { return f.queued() == 3 })
	f.submit("b", "https://b/2", "", "")
	if check(t, f.Queue(t.Context(), key("b").ID())); f.queued() != 4 {
		t.Error("not queued at once")
	}
	var accepted []time.Time
	for _, m := range f.manifests("a") {
		s, err := f.Ledger.Progress(t.Context(), m.Import)
		check(t, err)
		accepted = append(accepted, s.Issued)
	}
	if len(accepted) != 2 || !accepted[0].Before(accepted[1]) {
		t.Errorf("the first one does not come before the second: %v", accepted)
	}
	since, err := f.Ledger.HistorySince(t.Context(), "a")
	if check(t, err); since.IsZero() {
		t.Error("dataset a keeps no history")
	}
}

// TestUndoes: what was replaced or stopped is cancelled and discarded, with the retries of it, also where no fetcher has it yet.
func TestUndoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Operator.SetHistory(t.Context(), "a", true)
	check(t, err)
	for _, url := range []string{"https://a/1", "https://a/2", "https://a/3"} {
		f.submit("a", url, "", "")
	}
	replaced, stopped := f.accept("a", "https://a/1"), f.accept("a", "https://a/2")
	f.submit("a", "https://a/4", "https://a/1", "")
	f.submit("a", "https://a/5", "https://a/3", "") // which nobody has accepted
	f.runs()
	f.eventually("the replaced ones to be undone", func() bool { return f.manifests("a")[0].Undone && f.manifests("a")[2].Undone })
	discarded := func(id fhirmsg.ImportID) bool {
		t.Helper()
		is, err := f.Ledger.IsDiscarded(t.Context(), id, ledger.AllFiles)
		check(t, err)
		return is
	}
	if m := f.manifests("a"); m[0].State != ledger.StateCancelled || m[1].State != ledger.StateAccepted || m[2].State != "" || !discarded(replaced) || discarded(stopped) {
		t.Errorf("two of three replaced: %+v", m)
	}
	f.submit("a", "", "", ledger.SubmissionStopped)
	f.Wake()
	f.eventually("all to be undone", func() bool {
		return !slices.ContainsFunc(f.manifests("a"), func(m ledger.Submitted) bool { return !m.Undone })
	})
	if !discarded(stopped) {
		t.Error("what was stopped is not discarded")
	}
	f.accept("a", "https://a/3") // by a fetcher that had the request
	for _, m := range f.manifests("a") {
		if m.Problem != "" || m.State != ledger.StateCancelled && m.State != "" {
			t.Errorf("%+v", m)
		}
	}
}

// TestUndoesRetries: what was imported of a manifest's rejects goes with it.
func TestUndoesRetries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Operator.SetHistory(t.Context(), "a", true)
	check(t, err)
	f.submit("a", "https://a/1", "", "")
	id := f.accept("a", "https://a/1")
	check(t, f.Ledger.Cancel(t.Context(), id))
	retry := fhirmsg.ImportID{7}
	_, state, err := f.Ledger.Accept(t.Context(), fhirmsg.ImportRequest{ID: retry, Supplier: "a", Dataset: "a", Retry: id}, 3, "d")
	if check(t, err); state != ledger.StateAccepted {
		t.Fatalf("the retry is %s", state)
	}
	f.submit("a", "", "", ledger.SubmissionStopped)
	f.runs()
	f.eventually("it to be undone", func() bool { return f.manifests("a")[0].Undone })
	for _, id := range []fhirmsg.ImportID{id, retry} {
		s, err := f.Ledger.Progress(t.Context(), id)
		check(t, err)
		if is, err := f.Ledger.IsDiscarded(t.Context(), id, ledger.AllFiles); err != nil || !is || s.State != ledger.StateCancelled {
			t.Errorf("%s is %s, discarded %v, %v", id, s.State, is, err)
		}
	}
}

// TestCannotUndo: where somebody turned the history off, a submission is stopped all the same, and told what that leaves.
func TestCannotUndo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.submit("a", "https://a/1", "", "")
	id := f.accept("a", "https://a/1") // without a history, and something came after it
	_, err := f.Pool.Exec(t.Context(), `INSERT INTO stoker.written (import, file, off, type, part, fingerprint, inserted, updated, unchanged,
		stale, deleted, skipped, rejected, discarded, cancelled, conflicts, outcomes) VALUES ($1, 0, 0, 'Patient', 0, $1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'u')`, [16]byte(id))
	check(t, err)
	f.submit("a", "", "", ledger.SubmissionStopped)
	f.runs()
	f.eventually("it to be given up", func() bool { return f.manifests("a")[0].Undone })
	if m := f.manifests("a")[0]; m.Problem == "" || m.IsGone() || m.State != ledger.StateCancelled {
		t.Errorf("%+v", m)
	}
}

// TestFailedUndoKeepsNobodyWaiting: where one cannot be undone for now, it is tried again, and the supplier's others before.
func TestFailedUndoKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Operator.SetHistory(t.Context(), "a", true)
	check(t, err)
	f.submit("a", "https://a/1", "", "")
	f.submit("a", "https://a/2", "", "")
	for i, url := range []string{"https://a/1", "https://a/2"} {
		id := f.accept("a", url)
		// The first one brought resources of a table whose history somebody has dropped.
		_, err := f.Pool.Exec(t.Context(), `INSERT INTO stoker.written (import, file, off, type, part, fingerprint, inserted, updated, unchanged,
			stale, deleted, skipped, rejected, discarded, cancelled, conflicts, outcomes)
			SELECT $1, 0, 0, 'Patient', 0, $1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'i' WHERE $2`, [16]byte(id), i == 0)
		check(t, err)
	}
	_, err = f.Pool.Exec(t.Context(), `CREATE SCHEMA IF NOT EXISTS a; CREATE TABLE a.patient (id text, hash uuid, import uuid, file int)`)
	check(t, err)
	f.submit("a", "", "", ledger.SubmissionStopped)
	var running sync.WaitGroup
	for range 2 { // as two looks do
		f.init()
		check(t, f.look(t.Context(), &running))
		running.Wait()
	}
	if m := f.manifests("a"); m[0].Undone || !m[1].Undone {
		t.Errorf("%+v", m)
	}
}

// TestOneAtATime: of a supplier nothing is begun while something is under way, and nobody else waits for it.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	k := &Keeper{Log: zerolog.Nop()}
	k.init()
	var running sync.WaitGroup
	hold, begun := make(chan struct{}), make(chan string, 3)
	k.begin(t.Context(), &running, "a", func() error { begun <- "a"; <-hold; return nil })
	k.begin(t.Context(), &running, "a", func() error { begun <- "a again"; return nil })
	k.begin(t.Context(), &running, "b", func() error { begun <- "b"; return errors.New("failed") })
	got := []string{<-begun, <-begun}
	slices.Sort(got)
	close(hold)
	running.Wait()
	if !slices.Equal(got, []string{"a", "b"}) || len(begun) != 0 || len(k.busy) != 0 || len(k.wake) != 1 {
		t.Errorf("begun %v, %d more, %d busy, woken %d", got, len(begun), len(k.busy), len(k.wake))
	}
}
