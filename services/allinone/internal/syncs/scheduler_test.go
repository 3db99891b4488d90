package syncs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// world is servers, a clock, and a source that has what it is told.
type world struct {
	t      *testing.T
	ledger *ledger.Ledger
	bus    *bus.Bus
	nc     *nats.Conn

	mu     sync.Mutex
	now    time.Time
	asked  []string // cursors
	answer func(context.Context, ledger.SyncAsk) (ledger.SyncFound, error)
}

func newWorld(t *testing.T, now string) *world {
	t.Helper()
	servers := ledgertest.NewServers(t)
	w := &world{t: t, ledger: ledger.New(servers.Pool), bus: servers.Bus, nc: servers.NATS}
	w.at(now)
	var n atomic.Int64
	w.answer = func(context.Context, ledger.SyncAsk) (ledger.SyncFound, error) {
		return ledger.SyncFound{Sources: []fhirmsg.Source{{Manifest: "https://a.example/m"}}, Cursor: json.RawMessage(fmt.Sprint(n.Add(1)))}, nil
	}
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) at(now string) {
	w.t.Helper()
	at, err := time.Parse(time.RFC3339, now)
	check(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = at
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) ask(ctx context.Context, a ledger.SyncAsk) (ledger.SyncFound, error) {
	w.mu.Lock()
	w.asked = append(w.asked, string(a.Cursor))
	answer := w.answer
	w.mu.Unlock()
	return answer(ctx, a)
}

// process is one that runs the schedule.
func (w *world) process() *Scheduler {
	return &Scheduler{
		Ledger: w.ledger, Bus: w.bus, Log: zerolog.New(io.Discard), Now: w.clock,
		Kinds: map[string]Ask{supplier.SyncPublish: w.ask},
	}
}

// steps lets each process look once, and waits for what it began.
func (w *world) steps(processes ...*Scheduler) {
	w.t.Helper()
	for _, p := range processes {
		check(w.t, p.step(w.t.Context()))
	}
	for _, p := range processes {
		p.running.Wait()
	}
}

func (w *world) add(name, every, zone string) {
	w.t.Helper()
	check(w.t, w.ledger.AddSync(w.t.Context(), supplier.Sync{Name: name, From: "https://a.example/m", Every: every, Zone: zone}, false, w.clock()))
}

// queued are the ids of the imports that are asked for, in order; each request is accepted and, unless it is to
// stay open, ended.
func (w *world) queued() (list []fhirmsg.ImportRequest) {
	w.t.Helper()
	js, err := jetstream.New(w.nc)
	check(w.t, err)
	stream, err := js.Stream(w.t.Context(), fhirmsg.StreamOperator)
	check(w.t, err)
	info, err := stream.Info(w.t.Context())
	check(w.t, err)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		msg, err := stream.GetMsg(w.t.Context(), seq)
		check(w.t, err)
		req, err := fhirmsg.DecodeImportRequest(msg.Data)
		check(w.t, err)
		list = append(list, req)
	}
	return list
}

// end has the newest import fetched, and ends it: as complete, or as failed for a reason.
func (w *world) end(reason string) {
	w.t.Helper()
	all := w.queued()
	req := all[len(all)-1]
	ctx := w.t.Context()
	_, _, err := w.ledger.Accept(ctx, req, 3, "d")
	check(w.t, err)
	var files []ledger.File
	if reason != "" {
		files = []ledger.File{{Name: "f", Locator: json.RawMessage(`{}`), State: "failed", Reason: reason}}
	}
	check(w.t, w.ledger.PinFiles(ctx, req.ID, files, nil))
	_, err = w.ledger.BeginFetch(ctx, req.ID)
	check(w.t, err)
	check(w.t, w.ledger.CloseList(ctx, req.ID))
	check(w.t, w.ledger.Settle(ctx, req.ID))
}

// runs are the runs of a sync, the oldest first.
func (w *world) runs(name string) (lines []string) {
	w.t.Helper()
	_, runs, err := w.ledger.Sync(w.t.Context(), name, w.clock(), 100)
	check(w.t, err)
	for _, r := range slices.Backward(runs) {
		lines = append(lines, r.Due.UTC().Format("01-02 15:04")+" "+string(r.State))
	}
	return lines
}

func (w *world) want(what, name string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.runs(name)); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestNights: each night once, whichever process sees it; the cursor moves with a complete import, and what failed is
// asked for again.
func TestNights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	one, two := w.process(), w.process()
	w.add("a", "0 2 * * *", "")
	w.steps(one, two)
	w.want("before the first", "a")

	w.at("2026-03-02T02:00:00Z")
	w.steps(one, two, one)
	w.want("the first", "a", "03-02 02:00 importing")
	w.end("")
	w.steps(two)
	w.want("the first, ended", "a", "03-02 02:00 complete")

	w.at("2026-03-03T02:00:07Z")
	w.steps(two, one)
	w.end("the server answered 404")
	w.steps(one, two)
	w.at("2026-03-04T02:00:00Z")
	answer := w.answer
	w.answer = func(context.Context, ledger.SyncAsk) (ledger.SyncFound, error) {
		return ledger.SyncFound{}, errors.New("no answer in time")
	}
	w.steps(one, two)
	w.at("2026-03-05T02:00:00Z")
	w.answer = func(context.Context, ledger.SyncAsk) (ledger.SyncFound, error) { return ledger.SyncFound{}, nil }
	w.steps(one)
	w.at("2026-03-06T02:00:00Z")
	w.answer = answer
	w.steps(one)
	w.end("")
	w.steps(one)
	w.want("all", "a", "03-02 02:00 complete", "03-03 02:00 failed", "03-04 02:00 failed", "03-05 02:00 unchanged", "03-06 02:00 complete")
	if diff := cmp.Diff([]string{"", "1", "1", "1", "1"}, w.asked); diff != "" {
		t.Errorf("cursors asked with (-want +got):\n%s", diff)
	}
	if got := w.queued(); len(got) != 3 {
		t.Errorf("%d imports were asked for, want 3", len(got))
	}
	s, runs, err := w.ledger.Sync(t.Context(), "a", w.clock().Add(time.Hour), 100)
	if err != nil || s.Lag == nil || *s.Lag != 3600 || !strings.Contains(runs[2].Reason, "no answer in time") || !strings.Contains(runs[3].Reason, "1 of 1 files failed") {
		t.Errorf("lag %v, %+v, %v", s.Lag, runs, err)
	}
}

// TestManyProcesses: of many that look at the same moment, one begins each run and one asks.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		w.add(name, "0 2 * * *", "")
	}
	w.at("2026-03-02T02:00:00Z")
	var looking sync.WaitGroup
	for range 6 {
		looking.Go(func() {
			p := w.process()
			for range 3 {
				if err := p.step(t.Context()); err != nil {
					t.Error(err)
				}
				p.running.Wait()
			}
		})
	}
	looking.Wait()
	for _, name := range names {
		w.want("once", name, "03-02 02:00 importing")
	}
	ids := map[fhirmsg.ImportID]bool{}
	for _, req := range w.queued() {
		ids[req.ID] = true
	}
	if len(ids) != len(names) || len(w.asked) != len(names) {
		t.Errorf("%d imports, sources were asked %d times; want %d", len(ids), len(w.asked), len(names))
	}
}

// TestMissedRuns: runs that were missed are made up by one, also those that were missed while one was under way; those
// of a pause are not.
func TestMissedRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	w.add("a", "0 2 * * *", "")
	w.at("2026-03-05T09:00:00Z") // nobody ran in four nights
	w.steps(w.process())
	w.want("made up", "a", "03-02 02:00 importing")
	w.at("2026-03-07T09:00:00Z") // and that takes two more
	p := w.process()
	w.steps(p, p)
	w.want("one at a time", "a", "03-02 02:00 importing")
	w.end("")
	w.steps(p, p)
	w.want("made up once more", "a", "03-02 02:00 complete", "03-06 02:00 importing")
	w.end("")
	w.steps(p)

	check(t, w.ledger.PauseSync(t.Context(), "a"))
	w.at("2026-03-09T09:00:00Z")
	w.steps(p)
	check(t, w.ledger.ResumeSync(t.Context(), "a", w.clock()))
	w.steps(p)
	w.want("after a pause", "a", "03-02 02:00 complete", "03-06 02:00 complete")
	w.at("2026-03-10T02:00:00Z")
	w.steps(p)
	w.want("after that", "a", "03-02 02:00 complete", "03-06 02:00 complete", "03-10 02:00 importing")
}

// TestClocksAreChanged: the nights in which clocks are changed have one run each, though the schedule is looked at all
// the time.
func TestClocksAreChanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone, begin, end string
		want             []string // in UTC
	}{
		{"Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z", []string{"03-28 01:30 unchanged", "03-29 01:00 unchanged", "03-30 00:30 unchanged"}},
		{"Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z", []string{"10-24 00:30 unchanged", "10-25 00:30 unchanged", "10-26 01:30 unchanged"}},
		{"America/New_York", "2026-03-07T00:00:00Z", "2026-03-09T12:00:00Z", []string{"03-07 07:30 unchanged", "03-08 07:00 unchanged", "03-09 06:30 unchanged"}},
		{"America/New_York", "2026-10-31T00:00:00Z", "2026-11-02T12:00:00Z", []string{"10-31 06:30 unchanged", "11-01 07:30 unchanged", "11-02 07:30 unchanged"}},
	} {
		t.Run(tt.zone+tt.begin, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.begin)
			w.answer = func(context.Context, ledger.SyncAsk) (ledger.SyncFound, error) { return ledger.SyncFound{}, nil }
			w.add("a", "30 2 * * *", tt.zone)
			for at := w.clock(); at.Before(mustTime(t, tt.end)); at = at.Add(10 * time.Minute) {
				w.at(at.Format(time.RFC3339))
				w.steps(w.process()) // each time another one, as after a restart
			}
			w.want("runs", "a", tt.want...)
		})
	}
}

func mustTime(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	check(t, err)
	return at
}

// TestDiesWhileAsking: a run whose process died while it asked is asked again by another one, and has one import.
func TestDiesWhileAsking(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	w.add("a", "0 2 * * *", "")
	w.at("2026-03-02T02:00:00Z")
	answer, asking := w.answer, make(chan struct{})
	w.answer = func(ctx context.Context, _ ledger.SyncAsk) (ledger.SyncFound, error) {
		close(asking)
		<-ctx.Done()
		return ledger.SyncFound{}, ctx.Err()
	}
	ctx, die := context.WithCancel(t.Context())
	victim, heir := w.process(), w.process()
	check(t, victim.step(ctx))
	<-asking
	w.steps(heir) // it has the run in hand
	w.want("asking", "a", "03-02 02:00 asking")
	die()
	victim.running.Wait()
	w.mu.Lock()
	w.answer = answer
	w.mu.Unlock()
	// PostgreSQL lets go of what the dead had some time after its connection has ended.
	for end := time.Now().Add(time.Minute); slices.Contains(w.runs("a"), "03-02 02:00 asking") && time.Now().Before(end); {
		w.steps(heir)
	}
	w.want("asked again", "a", "03-02 02:00 importing")
	if got := w.queued(); len(got) != 1 {
		t.Errorf("%d imports", len(got))
	}
}

// TestDiesBeforePublishing: what was recorded and not published is published by another process, under the same id; so
// is what was published and not recorded as such, which is the same import.
func TestDiesBeforePublishing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	w.add("a", "0 2 * * *", "")
	w.at("2026-03-02T02:00:00Z")
	check(t, w.ledger.BeginDueSyncs(t.Context(), w.clock()))
	runs, err := w.ledger.SyncRunsToWork(t.Context())
	check(t, err)
	r, _, err := w.ledger.AskSyncRun(t.Context(), runs[0], w.clock, w.ask)
	check(t, err) // and here the process dies
	recorded := r.Unpublished()
	if recorded == nil {
		t.Fatalf("nothing is recorded: %+v", r)
	}
	msg, err := recorded.Encode()
	check(t, err)
	check(t, w.bus.Publish(t.Context(), fhirmsg.FetchSubject(recorded.Supplier), recorded.MessageID(), msg)) // or here
	p := w.process()
	w.steps(p, p)
	got := w.queued()
	if len(got) != 1 || got[0].ID != recorded.ID || len(w.asked) != 1 {
		t.Errorf("%d imports, asked %d times", len(got), len(w.asked))
	}
	w.end("")
	w.steps(p)
	w.want("ended", "a", "03-02 02:00 complete")
}

// TestByHand: a run by hand is beside the schedule, also of a sync that is paused, and may ask for all.
func TestByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	w.add("a", "0 2 * * *", "")
	check(t, w.ledger.PauseSync(t.Context(), "a"))
	p := w.process()
	for _, full := range []bool{false, false, true} {
		w.at(w.clock().Add(time.Minute).Format(time.RFC3339))
		check(t, w.ledger.RunSync(t.Context(), "a", full, w.clock()))
		w.steps(p)
		w.end("")
		w.steps(p)
	}
	w.want("by hand", "a", "03-01 12:01 complete", "03-01 12:02 complete", "03-01 12:03 complete")
	if diff := cmp.Diff([]string{"", "1", ""}, w.asked); diff != "" {
		t.Errorf("cursors (-want +got):\n%s", diff)
	}
	s, _, err := w.ledger.Sync(t.Context(), "a", w.clock(), 1)
	if err != nil || !s.Paused || !s.Next.Equal(mustTime(t, "2026-03-02T02:00:00Z")) {
		t.Errorf("next %v, %v", s.Next, err)
	}
}

// TestRunEnds: the loop ends with its context, also while a source does not answer.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2026-03-01T12:00:00Z")
	w.add("a", "0 2 * * *", "")
	w.at("2026-03-02T02:00:00Z")
	asking := make(chan struct{})
	w.answer = func(ctx context.Context, _ ledger.SyncAsk) (ledger.SyncFound, error) {
		close(asking)
		<-ctx.Done()
		return ledger.SyncFound{}, ctx.Err()
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.process().Run(ctx) }()
	<-asking
	stop()
	check(t, <-ended)
	w.want("stopped", "a", "03-02 02:00 asking")
}
