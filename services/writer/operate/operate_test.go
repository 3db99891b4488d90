package operate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/natstest"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/writer"
)

// fixture is an operator with a writer at work, on servers of their own.
type fixture struct {
	*Operator
	t    *testing.T
	deps writer.Deps
	line int64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	nc, err := natstest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	b, err := bus.New(nc, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	pool := ledgertest.New(t)
	metrics, err := telemetry.NewMetrics(prometheus.NewRegistry(), "writer")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, Operator: &Operator{Bus: b, Ledger: ledger.New(pool), Pool: pool},
		deps: writer.Deps{Bus: b, Pool: pool, Log: zerolog.Nop(), Metrics: metrics}}
	if err := writer.Prepare(t.Context(), f.config(), f.deps); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) config() writer.Config {
	return writer.Config{Transactions: 2, Rows: 100, Bytes: 1 << 20, StreamBytes: 32 << 20}
}

// startWriter runs a writer until the returned function is called, or the test ends.
func (f *fixture) startWriter() (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := writer.Run(ctx, f.config(), f.deps); err != nil && ctx.Err() == nil {
			f.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) accept() fhirmsg.Import {
	f.t.Helper()
	return f.acceptInto("fhir")
}

func (f *fixture) acceptInto(dataset string) fhirmsg.Import {
	f.t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	req := fhirmsg.ImportRequest{ID: id, Dataset: dataset, Sources: []fhirmsg.Source{{Path: "/x"}}}.WithDefaults()
	imp, _, err := f.Ledger.Accept(f.t.Context(), req, 2, "")
	if err != nil {
		f.t.Fatal(err)
	}
	return imp
}

// publish queues batches of one resource each.
func (f *fixture) publish(imp fhirmsg.Import, typ string, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.line++
		b := fhirmsg.Batch{BatchHeader: fhirmsg.BatchHeader{
			Import: imp, Place: fhirmsg.Place{Offset: f.line * 100, Length: 100}, Type: typ, Rows: 1,
		}}
		body := fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"x":%d}`, typ, id, f.line)
		b.Body = fhirmsg.AppendRecord(nil, fhirmsg.Record{ID: []byte(id), Stamp: imp.Issued, Line: f.line, Hash: fhirmsg.HashOf(body), Body: body})
		b.Seal()
		msg, err := b.Append(nil)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := f.Bus.Publish(f.t.Context(), fhirmsg.ResourceSubject(imp.Dataset, typ), b.MessageID(), msg); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) waitFor(what string, ok func() bool) {
	f.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-ticker.C {
		if time.Now().After(end) {
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (f *fixture) waitStored() {
	f.t.Helper()
	f.waitFor("the writer", func() bool {
		left, err := f.Bus.Backlog(f.t.Context(), fhirmsg.StreamResources)
		sum := uint64(0)
		for _, n := range left {
			sum += n
		}
		return err == nil && sum == 0
	})
}

func (f *fixture) waitReplay(id fhirmsg.ImportID) (r ledger.Replay) {
	f.t.Helper()
	f.waitFor("the replay's end", func() bool {
		var err error
		r, err = f.Ledger.Replay(f.t.Context(), id)
		return err == nil && r.State.Ended()
	})
	return r
}

func (f *fixture) waitNoConsumers() {
	f.t.Helper()
	f.waitFor("the consumers of replays to be removed", func() bool {
		names, err := f.Bus.ReplayConsumers(f.t.Context())
		return err == nil && len(names) == 0
	})
}

// patients are the ids in a table of Patients.
func (f *fixture) patients(dataset string) (ids string) {
	f.t.Helper()
	if err := f.Pool.QueryRow(f.t.Context(), `SELECT coalesce(string_agg(id, ' ' ORDER BY id), '') FROM "`+dataset+`".patient`).Scan(&ids); err != nil {
		f.t.Fatal(err)
	}
	return ids
}

// TestLockedDataset: while somebody has a dataset to himself, as for a discard that takes minutes, more of its batches than there are
// transactions, of a replay too, keep no other dataset from being written. They follow when it is released, and nothing is lost.
func TestLockedDataset(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.startWriter()
	locked, free := f.accept(), f.acceptInto("free")
	f.publish(locked, "Patient", "a", "b", "c")
	f.publish(free, "Patient", "z")
	f.waitStored()
	stop()
	r, err := f.Replay(t.Context(), ReplayRequest{Dataset: "fhir", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := ledger.New(f.Pool).OutsidePool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close(context.WithoutCancel(t.Context())) }() // which ends its transaction
	discard, err := owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.LockDatasets(t.Context(), discard, true, "fhir"); err != nil {
		t.Fatal(err)
	}
	const many = 12
	for i := range many {
		f.publish(locked, "Patient", fmt.Sprintf("l%02d", i))
		f.publish(locked, "Observation", fmt.Sprintf("o%d", i)) // whose table is not there yet
	}
	f.publish(free, "Patient", "x", "y")
	f.startWriter()
	f.waitFor("the other dataset", func() bool { return f.patients("free") == "x y z" })
	if got := f.patients("fhir"); got != "a b c" {
		t.Errorf("written into the locked dataset: %s", got)
	}
	if err := discard.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.waitStored()
	if r = f.waitReplay(r.ID); r.State != ledger.ReplayComplete || r.Sum().Done != 3 {
		t.Errorf("the replay is %s: %s; %d of 3 messages", r.State, r.Reason, r.Sum().Done)
	}
	var patients, observations, stated int
	if err := f.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM fhir.patient), (SELECT count(*) FROM fhir.observation),
		(SELECT sum(inserted) FROM stoker.written WHERE import = $1)`, [16]byte(locked.ID)).Scan(&patients, &observations, &stated); err != nil {
		t.Fatal(err)
	}
	if patients != 3+many || observations != many || stated != 3+2*many {
		t.Errorf("%d patients and %d observations, of which %d are stated", patients, observations, stated)
	}
}

// TestReach: a replay of which messages were trimmed is refused, unless what is left is asked for
// or enough is left.
func TestReach(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.startWriter()
	imp := f.accept()
	f.publish(imp, "Patient", "a", "b", "c")
	f.publish(imp, "Observation", "o")
	f.waitStored()
	stop()
	if _, err := f.Bus.Trim(t.Context(), fhirmsg.StreamResources, []string{"Observation"}, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	f.publish(imp, "Patient", "d")
	long, now := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	tests := []struct {
		name    string
		req     ReplayRequest
		refused bool
	}{
		{"all", ReplayRequest{}, true},
		{"all of a type", ReplayRequest{Types: []string{"Patient"}}, true},
		{"into another", ReplayRequest{Into: "other"}, true},
		{"an import", ReplayRequest{Import: &imp.ID}, true},
		{"since long", ReplayRequest{Since: &long}, true},
		{"from what is gone", ReplayRequest{FromSequence: 4}, true},
		{"from what is left", ReplayRequest{FromSequence: 5}, false},
		{"since later", ReplayRequest{Since: &now}, false},
		{"what there is", ReplayRequest{Available: true}, false},
	}
	for _, tt := range tests {
		tt.req.Dataset = "fhir"
		r, err := f.Replay(t.Context(), tt.req)
		if got := errors.Is(err, ErrRefused); got != tt.refused || (err != nil) != tt.refused {
			t.Errorf("%s: %v, want refused %v", tt.name, err, tt.refused)
		}
		if tt.refused && !strings.Contains(err.Error(), "--from-sequence 5") {
			t.Errorf("%s: the error does not say how far back it reaches: %v", tt.name, err)
		}
		if tt.name == "since later" && r.Sum().Messages != 0 {
			t.Errorf("%s: %d messages", tt.name, r.Sum().Messages)
		}
		if r.Whole {
			t.Errorf("%s: counts as whole", tt.name)
		}
		if err == nil {
			if err := f.Ledger.CancelReplay(t.Context(), r.ID); err != nil {
				t.Error(err)
			}
		}
	}
	names, err := f.Bus.ReplayConsumers(t.Context())
	if err != nil || len(names) > 3 {
		t.Errorf("consumers %v (%v); the refused ones should have left none", names, err)
	}
	f.startWriter()
	f.waitNoConsumers()
}

// TestSwapWritesTheTail: what was stored since the replay is there after the swap, what waits comes
// later, once, and to the new rows.
func TestSwapWritesTheTail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.startWriter()
	imp := f.accept()
	f.publish(imp, "Patient", "a", "b")
	f.waitStored()
	if _, err := f.Swap(t.Context(), "fhir", "other"); !errors.Is(err, ErrRefused) {
		t.Errorf("swap with what was not built: %v", err)
	}
	r, err := f.Replay(t.Context(), ReplayRequest{Dataset: "fhir", Into: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if r = f.waitReplay(r.ID); r.State != ledger.ReplayComplete || !r.Whole {
		t.Fatalf("replay %s: %s", r.State, r.Reason)
	}
	f.publish(imp, "Patient", "c")
	f.publish(imp, "Observation", "o") // a type that came since
	f.waitStored()
	stop()
	f.publish(imp, "Patient", "d") // waits
	if swapped, err := f.Swap(t.Context(), "fhir", "other"); err != nil || !swapped.Swapped {
		t.Fatalf("swap: %+v, %v", swapped, err)
	}
	if got := f.patients("fhir"); got != "a b c" {
		t.Errorf("after the swap: %q, want a b c", got)
	}
	f.startWriter()
	f.waitStored()
	if got, old := f.patients("fhir"), f.patients("other"); got != "a b c d" || old != "a b c" {
		t.Errorf("in the end: %q, and beside it %q", got, old)
	}
	s, err := f.Ledger.Status(t.Context(), imp.ID)
	if err != nil || s.Resources.Inserted != 5 {
		t.Errorf("the import inserted %d (%v), want 5", s.Resources.Inserted, err)
	}
	if err := f.Drop(t.Context(), "fhir"); !errors.Is(err, ledger.ErrState) {
		t.Errorf("drop with an open import: %v", err)
	}
}

// TestSwapOfMuch: what came since is replayed first where it is much, and nothing is swapped that
// lacks what was trimmed.
func TestSwapOfMuch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stop := f.startWriter()
	imp := f.accept()
	f.publish(imp, "Patient", "a")
	f.waitStored()
	r, err := f.Replay(t.Context(), ReplayRequest{Dataset: "fhir", Into: "other"})
	if err != nil {
		t.Fatal(err)
	}
	f.waitReplay(r.ID)
	for i := range maxTail + 1 {
		f.publish(imp, "Patient", fmt.Sprint("p", i))
	}
	f.waitStored()
	swapped, err := f.Swap(t.Context(), "fhir", "other")
	if err != nil || swapped.Swapped || swapped.Replay == nil {
		t.Fatalf("swap: %+v, %v; want a replay", swapped, err)
	}
	if r := f.waitReplay(*swapped.Replay); r.State != ledger.ReplayComplete || r.Sum().Messages != maxTail+1 {
		t.Errorf("the tail's replay is %s: %+v", r.State, r.Sum())
	}
	f.publish(imp, "Patient", "z")
	f.waitStored()
	f.waitNoConsumers()
	stop()
	if _, err := f.Bus.Trim(t.Context(), fhirmsg.StreamResources, []string{"Patient"}, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if swapped, err := f.Swap(t.Context(), "fhir", "other"); !errors.Is(err, ErrRefused) {
		t.Errorf("swap without what was trimmed: %+v, %v", swapped, err)
	}
}

// TestHistoryMovesWithSwap: a dataset's history has its rows, also of the tail, goes with them to
// the other name, and is dropped with them.
func TestHistoryMovesWithSwap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.SetHistory(t.Context(), "other", true); err != nil {
		t.Fatal(err)
	}
	f.startWriter()
	imp := f.accept()
	f.publish(imp, "Patient", "a")
	f.waitStored()
	r, err := f.Replay(t.Context(), ReplayRequest{Dataset: "fhir", Into: "other"})
	if err != nil {
		t.Fatal(err)
	}
	f.waitReplay(r.ID)
	f.publish(imp, "Patient", "b")
	f.publish(imp, "Observation", "o") // a table that the tail makes
	f.waitStored()
	swap := func() {
		if swapped, err := f.Swap(t.Context(), "fhir", "other"); err != nil || !swapped.Swapped {
			t.Fatalf("swap: %+v, %v", swapped, err)
		}
	}
	swap()
	f.publish(imp, "Patient", "c")
	f.waitStored()
	var kept string
	if err := f.Pool.QueryRow(t.Context(), `SELECT string_agg(id, ' ' ORDER BY id) FROM fhir.patient_history`).Scan(&kept); err != nil || kept != "a b c" {
		t.Errorf("the history has %q (%v), want a b c", kept, err)
	}
	swap()
	var keeps string
	if err := f.Pool.QueryRow(t.Context(), `SELECT string_agg(dataset, ' ') FROM stoker.history`).Scan(&keeps); err != nil || keeps != "other" {
		t.Errorf("history is kept of %q (%v), want other", keeps, err)
	}
	if err := f.Drop(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := f.Pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM stoker.history) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'other')`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d things left of what was dropped (%v)", left, err)
	}
}
