package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// noon is when the clock of these tests begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func nightly(name string) supplier.Sync {
	return supplier.Sync{Name: name, From: "https://a.example/m", Every: "0 2 * * *"}
}

func (l *Ledger) mustSync(t *testing.T, name string) (Sync, []SyncRun) {
	t.Helper()
	s, runs, err := l.Sync(t.Context(), name, noon, 100)
	check(t, err)
	return s, runs
}

// finish has an import accepted that has no files, and ends it.
func (l *Ledger) finish(t *testing.T, req fhirmsg.ImportRequest) {
	t.Helper()
	imp := l.mustAccept(t, req)
	check(t, l.PinFiles(t.Context(), imp.ID, nil, nil))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.CloseList(t.Context(), imp.ID))
	check(t, l.Settle(t.Context(), imp.ID))
}

// has is a source that has something.
func has(cursor string) func(context.Context, SyncAsk) (SyncFound, error) {
	return func(context.Context, SyncAsk) (SyncFound, error) {
		return SyncFound{Sources: []fhirmsg.Source{{Manifest: "https://a.example/m"}}, Cursor: json.RawMessage(cursor)}, nil
	}
}

func (l *Ledger) ask(t *testing.T, at time.Time, ask func(context.Context, SyncAsk) (SyncFound, error)) SyncRun {
	t.Helper()
	runs, err := l.SyncRunsToWork(t.Context())
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d runs to work on, %v", len(runs), err)
	}
	r, ok, err := l.AskSyncRun(t.Context(), runs[0], func() time.Time { return at }, ask)
	if err != nil || !ok {
		t.Fatalf("asked: %v, %v", ok, err)
	}
	return r
}

// TestSyncDeclared: what stays and what goes when a sync is declared anew.
func TestSyncDeclared(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), nightly("a"), false, noon))
	s, _ := l.mustSync(t, "a")
	if s.Kind != supplier.SyncPublish || s.Zone != "UTC" || s.Supplier != "local" || s.Into != "fhir" || !s.Next.Equal(noon.Add(14*time.Hour)) || s.Lag != nil || s.Last != nil {
		t.Errorf("declared %+v", s)
	}
	if err := l.AddSync(t.Context(), nightly("a"), false, noon); !errors.Is(err, ErrSync) || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("a second time: %v", err)
	}
	check(t, l.RunSync(t.Context(), "a", false, noon))
	r := l.ask(t, noon, has(`{"n":1}`))
	check(t, l.PublishedSyncRun(t.Context(), r))
	l.finish(t, *r.request)
	if ended, err := l.SettleSyncRuns(t.Context(), noon.Add(time.Minute)); err != nil || len(ended) != 1 || ended[0].State != SyncComplete {
		t.Fatalf("ended %+v, %v", ended, err)
	}
	later := noon.Add(48 * time.Hour)
	for _, tt := range []struct {
		what   string
		change func(*supplier.Sync)
		due    time.Time
		cursor string
	}{
		{"the same", func(*supplier.Sync) {}, noon.Add(14 * time.Hour), `{"n": 1}`},
		{"another time", func(s *supplier.Sync) { s.Every = "0 3 * * *" }, later.Add(15 * time.Hour), `{"n": 1}`},
		{"another dataset", func(s *supplier.Sync) { s.Every, s.Dataset = "0 3 * * *", "d" }, later.Add(15 * time.Hour), ""},
	} {
		declared := nightly("a")
		tt.change(&declared)
		check(t, l.AddSync(t.Context(), declared, true, later))
		if s, runs := l.mustSync(t, "a"); !s.Next.Equal(tt.due) || string(s.cursor) != tt.cursor || len(runs) != 1 {
			t.Errorf("%s: due %s, cursor %s, %d runs; want %s, %s", tt.what, s.Next, s.cursor, len(runs), tt.due, tt.cursor)
		}
	}
}

// TestSyncRefused: what contradicts the policy of its supplier is refused when it is declared.
func TestSyncRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSupplier(t.Context(), named("clinic-a", supplier.Policy{URLPrefixes: []string{"https://a.example/"}, Mode: fhirmsg.ModeSync}), false))
	check(t, l.AddSupplier(t.Context(), named("clinic-b", supplier.Policy{}), false))
	check(t, l.RemoveSupplier(t.Context(), "clinic-b"))
	for _, tt := range []struct {
		change func(*supplier.Sync)
		want   string // "" is taken
	}{
		{func(*supplier.Sync) {}, ""},
		{func(s *supplier.Sync) { s.From = "https://b.example/m" }, "URL prefixes"},
		{func(s *supplier.Sync) { s.Dataset = "fhir" }, "dataset clinic-a"},
		{func(s *supplier.Sync) { s.Mode = fhirmsg.ModeOverwrite }, "mode sync"},
		{func(s *supplier.Sync) { s.Supplier = "clinic-b" }, "was removed"},
		{func(s *supplier.Sync) { s.Supplier, s.From = "undeclared", "https://b.example/m" }, ""},
		{func(s *supplier.Sync) { s.From = "https://user:hunter2@a.example/m" }, "no user"},
		{func(s *supplier.Sync) { s.Every = "at night" }, "cron expression"},
	} {
		s := nightly("a")
		s.Supplier = "clinic-a"
		tt.change(&s)
		err := l.AddSync(t.Context(), s, true, noon)
		if (err == nil) != (tt.want == "") || err != nil && (!errors.Is(err, ErrSync) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%+v: %v, want %q", s, err, tt.want)
		}
	}
}

// TestSyncInto: the dataset is known whoever decides on it.
func TestSyncInto(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	prefixes := []string{"https://a.example/"}
	check(t, l.AddSupplier(t.Context(), named("clinic-a", supplier.Policy{URLPrefixes: prefixes}), false))
	check(t, l.AddSupplier(t.Context(), named("clinic-b", supplier.Policy{URLPrefixes: prefixes, Dataset: "research"}), false))
	for _, tt := range []struct{ supplier, dataset, want string }{
		{"", "", "fhir"}, {"", "d", "d"}, {"clinic-a", "", "clinic-a"}, {"clinic-b", "", "research"}, {"clinic-b", "research", "research"},
	} {
		s := nightly("a")
		s.Supplier, s.Dataset = tt.supplier, tt.dataset
		check(t, l.AddSync(t.Context(), s, true, noon))
		if got, _ := l.mustSync(t, "a"); got.Into != tt.want {
			t.Errorf("supplier %q, dataset %q: into %s, want %s", tt.supplier, tt.dataset, got.Into, tt.want)
		}
	}
}

// TestSyncOfASupplierElsewhere: where a policy puts what a sync brings elsewhere, everything is asked for again; a sync that says itself where to
// put it, or how, is not concerned.
func TestSyncOfASupplierElsewhere(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	own := nightly("own")
	own.Dataset, own.Mode = "d", fhirmsg.ModeSync
	list := []supplier.Sync{nightly("silent"), own, nightly("other")}
	for i, s := range list {
		s.Supplier = "clinic-a"
		if s.Name == "other" {
			s.Supplier = ""
		}
		check(t, l.AddSync(t.Context(), s, false, noon.Add(time.Duration(i)*time.Second)))
	}
	policy := func(dataset string, mode fhirmsg.Mode, maxLine int) supplier.Policy {
		return supplier.Policy{URLPrefixes: []string{"https://a.example/"}, Dataset: dataset, Mode: mode, MaxLine: maxLine}
	}
	for _, tt := range []struct {
		what    string
		policy  supplier.Policy
		forgets bool
	}{
		{"declared with a dataset of its own", policy("", "", 0), true},
		{"another limit", policy("", "", 2048), false},
		{"another dataset", policy("d", "", 2048), true},
		{"a mode", policy("d", fhirmsg.ModeSync, 0), true},
		{"the same", policy("d", fhirmsg.ModeSync, 0), false},
	} {
		_, err := l.pool.Exec(t.Context(), `UPDATE stoker.sync SET cursor = '1', generation = 0`)
		check(t, err)
		check(t, l.AddSupplier(t.Context(), named("clinic-a", tt.policy), true))
		for _, declared := range list {
			s, _ := l.mustSync(t, declared.Name)
			forgets := tt.forgets && s.Name == "silent"
			if (s.cursor == nil) != forgets || (s.generation == 1) != forgets {
				t.Errorf("%s: sync %s has cursor %s, generation %d", tt.what, s.Name, s.cursor, s.generation)
			}
		}
	}
}

// TestSyncsOfTheFile: the file decides on those that it names, and pauses what it does not name any more.
func TestSyncsOfTheFile(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	apply := func(syncs ...supplier.Sync) []string {
		t.Helper()
		left, err := l.ApplySyncs(t.Context(), syncs, noon)
		check(t, err)
		return left
	}
	apply(nightly("a"), nightly("b"))
	if err := l.AddSync(t.Context(), nightly("a"), true, noon); !errors.Is(err, ErrSync) {
		t.Errorf("changed by a command: %v", err)
	}
	if err := l.RemoveSync(t.Context(), "a"); !errors.Is(err, ErrSync) {
		t.Errorf("removed by a command: %v", err)
	}
	if left := apply(nightly("a")); len(left) != 1 || left[0] != "b" {
		t.Errorf("left %v", left)
	}
	if s, _ := l.mustSync(t, "b"); !s.Paused || s.FromFile {
		t.Errorf("left out: %+v", s)
	}
	check(t, l.RemoveSync(t.Context(), "b"))
	if _, _, err := l.Sync(t.Context(), "b", noon, 1); !errors.Is(err, ErrNoSync) {
		t.Errorf("removed: %v", err)
	}
	broken := nightly("c")
	broken.Every = "never"
	if _, err := l.ApplySyncs(t.Context(), []supplier.Sync{nightly("d"), broken}, noon); !errors.Is(err, ErrSync) {
		t.Errorf("a broken file: %v", err)
	}
	if list, err := l.Syncs(t.Context(), noon); err != nil || len(list) != 1 {
		t.Errorf("%d syncs after a broken file, %v", len(list), err)
	}
}

// TestSyncOfAnotherSource: a run that was under way while its sync became another source does not tell how far that
// was imported.
func TestSyncOfAnotherSource(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), nightly("a"), false, noon))
	check(t, l.RunSync(t.Context(), "a", false, noon))
	r := l.ask(t, noon, has(`1`))
	other := nightly("a")
	other.From = "https://b.example/m"
	check(t, l.AddSync(t.Context(), other, true, noon))
	l.finish(t, *r.request)
	_, err := l.SettleSyncRuns(t.Context(), noon)
	check(t, err)
	if s, runs := l.mustSync(t, "a"); s.cursor != nil || runs[0].State != SyncComplete || s.Lag != nil {
		t.Errorf("cursor %s, lag %v, %+v", s.cursor, s.Lag, runs[0])
	}
}

// TestSyncLags: what metrics show counts from the newest run that left nothing, of one without such a run from its declaration.
func TestSyncLags(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, name := range []string{"a", "b"} {
		check(t, l.AddSync(t.Context(), nightly(name), false, noon))
	}
	_, err := l.pool.Exec(t.Context(), `UPDATE stoker.sync SET created = $1`, noon.Add(-time.Hour))
	check(t, err)
	check(t, l.RunSync(t.Context(), "a", false, noon))
	r := l.ask(t, noon, has(`{"n":1}`))
	lags := func(a, b time.Duration) {
		t.Helper()
		got, err := l.SyncLags(t.Context(), noon.Add(time.Minute))
		if diff := cmp.Diff(map[string]float64{"a": a.Seconds(), "b": b.Seconds()}, got); err != nil || diff != "" {
			t.Errorf("%v, lags (-want +got):\n%s", err, diff)
		}
	}
	lags(61*time.Minute, 61*time.Minute) // it is under way
	check(t, l.PublishedSyncRun(t.Context(), r))
	l.finish(t, *r.request)
	_, err = l.SettleSyncRuns(t.Context(), noon.Add(time.Minute))
	check(t, err)
	lags(time.Minute, 61*time.Minute)
}

// TestSyncRemovedWhileAsked: who removes a sync does not wait for its source, and nothing comes of the answer.
func TestSyncRemovedWhileAsked(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), nightly("a"), false, noon))
	check(t, l.RunSync(t.Context(), "a", false, noon))
	if err := l.RunSync(t.Context(), "a", false, noon.Add(time.Second)); !errors.Is(err, ErrSyncState) {
		t.Errorf("a second run: %v", err)
	}
	runs, err := l.SyncRunsToWork(t.Context())
	check(t, err)
	_, ok, err := l.AskSyncRun(t.Context(), runs[0], time.Now, func(ctx context.Context, a SyncAsk) (SyncFound, error) {
		if _, ok, err := l.AskSyncRun(ctx, runs[0], time.Now, has(`1`)); ok || err != nil {
			t.Errorf("asked by two: %v, %v", ok, err)
		}
		return SyncFound{Sources: []fhirmsg.Source{{Manifest: a.From}}}, l.RemoveSync(ctx, "a")
	})
	if ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

// TestSyncAskedAgain: a request that no fetcher has accepted for long is published again, as it may be lost with its
// queue, and one that was accepted is not.
func TestSyncAskedAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	check(t, l.AddSync(t.Context(), nightly("a"), false, noon))
	check(t, l.RunSync(t.Context(), "a", false, noon))
	r := l.ask(t, noon, has(`1`))
	check(t, l.PublishedSyncRun(t.Context(), r))
	toPublish := func() *fhirmsg.ImportRequest {
		t.Helper()
		runs, err := l.SyncRunsToWork(t.Context())
		check(t, err)
		if len(runs) == 0 {
			return nil
		}
		return runs[0].Unpublished()
	}
	if req := toPublish(); req != nil {
		t.Errorf("asked again at once: %+v", req)
	}
	_, err := l.pool.Exec(t.Context(), `UPDATE stoker.sync_run SET asked = asked - interval '11 minutes'`)
	check(t, err)
	req := toPublish()
	if req == nil || req.ID != r.request.ID {
		t.Fatalf("asked again: %+v, want %s", req, r.request.ID)
	}
	check(t, l.PublishedSyncRun(t.Context(), r))
	if again := toPublish(); again != nil {
		t.Errorf("asked a third time at once: %+v", again)
	}
	_, err = l.pool.Exec(t.Context(), `UPDATE stoker.sync_run SET asked = asked - interval '11 minutes'`)
	check(t, err)
	l.finish(t, *req)
	if again := toPublish(); again != nil {
		t.Errorf("accepted, and asked again: %+v", again)
	}
	if runs, err := l.SettleSyncRuns(t.Context(), noon); err != nil || len(runs) != 1 || runs[0].State != SyncComplete {
		t.Errorf("%+v, %v", runs, err)
	}
	if _, runs := l.mustSync(t, "a"); runs[0].request != nil {
		t.Errorf("after the end the request is there: %+v", runs[0].request)
	}
}
