package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// imports are those that were asked for, and end when they are told to.
type imports struct {
	mu        sync.Mutex
	suppliers []ledger.Supplier
	states    map[fhirmsg.ImportID]ledger.State
	failures  map[fhirmsg.ImportID]time.Time
	places    map[fhirmsg.ImportID]ledger.Place
	requests  []string // supplier and URL
	fails     int      // so many requests fail before they are published, after they were accepted
}

func (i *imports) Suppliers(context.Context) ([]ledger.Supplier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.suppliers), nil
}

func (i *imports) States(_ context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]ledger.State, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	states := map[fhirmsg.ImportID]ledger.State{}
	for _, id := range ids {
		if s, ok := i.states[id]; ok {
			states[id] = s
		}
	}
	return states, nil
}

func (i *imports) OpenImports(context.Context, string) (open int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.states {
		if !s.Ended() {
			open++
		}
	}
	return open, nil
}

func (i *imports) Failures(_ context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	failures := map[fhirmsg.ImportID]time.Time{}
	for _, id := range ids {
		if at, ok := i.failures[id]; ok {
			failures[id] = at
		}
	}
	return failures, nil
}

func (i *imports) Request(_ context.Context, req fhirmsg.ImportRequest, at ledger.Place) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.places[req.ID] = at
	if err := req.CheckOpen(); err != nil {
		return err
	}
	if _, ok := i.states[req.ID]; !ok {
		i.states[req.ID] = ledger.StateAccepted
	}
	if i.fails > 0 {
		i.fails--
		return errors.New("killed between accepting and asking")
	}
	if i.states[req.ID] == ledger.StateAccepted {
		i.requests = append(i.requests, req.Supplier+" "+req.Sources[0].URL)
	}
	return nil
}

// move brings all imports of one state into another.
func (i *imports) move(from, to ledger.State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, s := range i.states {
		if s == from {
			i.states[id] = to
		}
	}
}

// fail lets all imports fail that were asked for.
func (i *imports) fail(at time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, s := range i.states {
		if s == ledger.StateAccepted {
			i.states[id], i.failures[id] = ledger.StateFailed, at
		}
	}
}

// store is a server that speaks S3, read as a fetcher does.
type store struct {
	backend *s3mem.Backend
	cfg     source.Config
	clock   *clock
}

// clock is that of the store; each object that comes is a minute younger.
type clock struct{ at time.Time }

func (c *clock) Now() time.Time                  { return c.at }
func (c *clock) Since(t time.Time) time.Duration { return c.at.Sub(t) }

func (s *store) of(one ledger.Supplier) source.Config {
	cfg := s.cfg
	cfg.Policy, cfg.Bucket = &outbound.Policy{}, one.Bucket
	return cfg
}

func (s *store) Find(ctx context.Context, one ledger.Supplier, at s3.Location) (s3.Object, error) {
	return source.FindObject(ctx, s.of(one), at)
}

func (s *store) List(ctx context.Context, one ledger.Supplier, at s3.Location, each func([]s3.Object) error) error {
	return source.Objects(ctx, s.of(one), at, 2, each)
}

// fixture is a room that does what a test says.
type fixture struct {
	*testing.T
	*room
	imports *imports
	store   *store
	log     bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, imports: &imports{
		states: map[fhirmsg.ImportID]ledger.State{}, failures: map[fhirmsg.ImportID]time.Time{}, places: map[fhirmsg.ImportID]ledger.Place{},
	}}
	f.store = &store{clock: &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	f.store.backend = s3mem.New(s3mem.WithTimeSource(f.store.clock))
	server := httptest.NewServer(gofakes3.New(f.store.backend).Server())
	t.Cleanup(server.Close)
	f.store.cfg = source.Config{
		Account:  func() (s3.Account, error) { return s3.Config{Endpoint: server.URL}.Account("clinic") },
		Attempts: 1, Sleep: func(context.Context, time.Duration) error { return nil },
	}
	if err := f.store.backend.CreateBucket("deliveries"); err != nil {
		t.Fatal(err)
	}
	f.declare("clinic", supplier.Policy{Bucket: "s3://deliveries/clinic/"})
	f.restart()
	return f
}

func (f *fixture) declare(name string, p supplier.Policy) {
	f.imports.suppliers = append(f.imports.suppliers, ledger.Supplier{Supplier: supplier.Supplier{Name: name, Policy: p}})
}

// restart is another process, which knows only what is in the ledger and in the store.
func (f *fixture) restart() {
	f.room = newRoom(Config{Sweep: time.Hour, Log: zerolog.New(&f.log)}, f.imports, f.store)
}

func (f *fixture) put(key, content string) {
	f.Helper()
	f.store.clock.at = f.store.clock.at.Add(time.Minute)
	if _, err := f.store.backend.PutObject("deliveries", key, map[string]string{}, strings.NewReader(content), int64(len(content)), nil); err != nil {
		f.Fatal(err)
	}
}

// event is what the store publishes about keys.
func (f *fixture) event(keys ...string) {
	f.Helper()
	for _, key := range keys {
		f.notice(f.Context(), []byte(fmt.Sprintf(`{"Records":[{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"deliveries"},"object":{"key":%q}}}]}`, url.QueryEscape(key))))
	}
	f.handAll()
}

func (f *fixture) sweepAll() {
	f.Helper()
	all, err := f.watched(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.forgetOthers(all)
	for _, s := range all {
		f.say(s.Name, f.sweep(f.Context(), s))
	}
	f.sayIgnored()
	f.handAll()
}

func (f *fixture) handAll() {
	for _, s := range f.suppliersWaiting() {
		f.say(s, f.hand(f.Context(), s))
	}
}

// wantRequested compares what was asked for since it was last compared, in order.
func (f *fixture) wantRequested(want ...string) {
	f.Helper()
	for i := range want {
		if !strings.Contains(want[i], "s3://") {
			want[i] = "clinic s3://deliveries/clinic/" + want[i]
		}
	}
	if diff := cmp.Diff(want, f.imports.requests); diff != "" {
		f.Fatalf("imports asked for (-want +got):\n%s", diff)
	}
	f.imports.requests = nil
}

// sweepAt sweeps so long after the beginning, in a process of its own.
func (f *fixture) sweepAt(after time.Duration) {
	f.restart()
	f.now = func() time.Time { return began.Add(after) }
	f.sweepAll()
}

// began is when imports of a test fail first.
var began = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// TestAttempts: what failed is tried again by later sweeps, ever later, behind its first attempt, and given up after the third; each
// state of an object by itself.
func TestAttempts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/a.ndjson", "1")
	f.put("clinic/b.ndjson", "1")
	f.sweepAt(0)
	f.wantRequested("a.ndjson", "b.ndjson")
	f.imports.fail(began)
	f.sweepAt(14 * time.Minute)
	f.wantRequested()
	f.put("clinic/b.ndjson", "2")
	f.sweepAt(15 * time.Minute)
	f.wantRequested("a.ndjson", "b.ndjson") // of b another state, the first attempt
	f.sweepAt(16 * time.Minute)
	f.wantRequested("a.ndjson", "b.ndjson") // not begun by a fetcher yet, so asked for again
	attempts := map[int]int{}
	for id, at := range f.imports.places {
		attempts[at.Attempt]++
		if (at.First == id) != (at.Attempt == 1) || f.imports.states[at.First] == "" {
			t.Errorf("import %s has its place behind %+v", id, at)
		}
	}
	if diff := cmp.Diff(map[int]int{1: 3, 2: 1}, attempts); diff != "" {
		t.Errorf("imports by attempt (-want +got):\n%s", diff)
	}
	f.imports.move(ledger.StateAccepted, ledger.StateFetching)
	f.sweepAt(5 * time.Hour)
	f.wantRequested()
	f.imports.move(ledger.StateFetching, ledger.StateAccepted)
	f.imports.fail(began.Add(time.Hour))
	f.sweepAt(2 * time.Hour)
	f.wantRequested("b.ndjson")
	f.imports.move(ledger.StateAccepted, ledger.StateComplete)
	f.sweepAt(5 * time.Hour)
	f.wantRequested("a.ndjson")
	if strings.Contains(f.log.String(), "given up") {
		t.Errorf("said too early: %s", f.log.String())
	}
	f.imports.fail(began.Add(6 * time.Hour))
	f.sweepAt(1000 * time.Hour)
	f.sweepAll()
	f.event("clinic/a.ndjson")
	f.wantRequested()
	if said := f.log.String(); strings.Count(said, "1 objects were given up") != 1 || strings.Contains(said, "a.ndjson") {
		t.Errorf("said: %s", said)
	}
	f.put("clinic/a.ndjson", "1")
	f.sweepAll()
	f.wantRequested("a.ndjson")
}

// TestAttemptsNot: what was cancelled or discarded is not tried again, nor are snapshots.
func TestAttemptsNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.declare("whole", supplier.Policy{Bucket: "s3://deliveries/whole/", Snapshot: true})
	f.put("whole/a.ndjson", "1")
	f.sweepAt(0)
	f.wantRequested("whole s3://deliveries/whole/a.ndjson")
	f.imports.fail(began)
	f.put("clinic/a.ndjson", "1")
	f.sweepAt(0)
	f.wantRequested("a.ndjson")
	f.imports.move(ledger.StateAccepted, ledger.StateFailed) // and discarded
	f.put("clinic/b.ndjson", "1")
	f.sweepAt(0)
	f.wantRequested("b.ndjson")
	f.imports.move(ledger.StateAccepted, ledger.StateCancelled)
	f.sweepAt(1000 * time.Hour)
	f.wantRequested()
	if said := f.log.String(); !strings.Contains(said, "1 objects were given up") {
		t.Errorf("said: %s", said)
	}
}

// TestOnce: each state of an object is imported once, whether an event or a sweep finds it first, and across restarts.
func TestOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/a b+ä.ndjson", "1")
	f.event("clinic/a b+ä.ndjson")
	f.wantRequested("a b+ä.ndjson")
	f.event("clinic/a b+ä.ndjson")
	f.sweepAll()
	f.wantRequested()

	f.put("clinic/sub/b.ndjson.gz", "1")
	f.put("clinic/c.json", "1")
	f.sweepAll()
	f.wantRequested("sub/b.ndjson.gz", "c.json") // the older first
	f.event("clinic/c.json", "clinic/sub/b.ndjson.gz")
	f.wantRequested()

	f.imports.move(ledger.StateAccepted, ledger.StateComplete)
	f.restart()
	f.sweepAll()
	f.event("clinic/c.json")
	f.wantRequested()

	f.put("clinic/c.json", "2")
	f.event("clinic/c.json")
	f.wantRequested("c.json")
	f.imports.move(ledger.StateAccepted, ledger.StateFailed)
	f.put("clinic/c.json", "1") // as it was at first, and yet delivered anew
	f.sweepAll()
	f.wantRequested("c.json")
}

// TestAskedAgain: what was accepted by a process that was killed before it asked is asked for, although there is no room for more.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imports.suppliers[0].MaxImports = 1
	f.put("clinic/a.ndjson", "1")
	f.put("clinic/b.ndjson", "1")
	f.imports.fails = 1
	f.sweepAll()
	f.wantRequested()
	f.restart()
	f.sweepAll()
	f.wantRequested("a.ndjson")
	f.sweepAll()
	f.wantRequested()
	f.imports.move(ledger.StateAccepted, ledger.StateFetching)
	f.restart()
	f.sweepAll()
	f.wantRequested()
	f.imports.move(ledger.StateFetching, ledger.StateComplete)
	f.handAll()
	f.wantRequested("b.ndjson")
}

// TestOldestFirst: what waits is handed over in the order in which it changed, as many at once as the policy allows, and
// all of it in the end.
func TestOldestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imports.suppliers[0].MaxImports = 2
	for _, name := range []string{"z", "y", "b", "a"} {
		f.put("clinic/"+name+".ndjson", name)
	}
	f.put("clinic/y.ndjson", "y2")
	f.sweepAll()
	f.wantRequested("z.ndjson", "b.ndjson")
	f.put("clinic/c.ndjson", "1")
	f.event("clinic/c.ndjson")
	f.wantRequested()
	f.imports.move(ledger.StateAccepted, ledger.StateComplete)
	f.handAll()
	f.wantRequested("a.ndjson", "y.ndjson")
	f.imports.move(ledger.StateAccepted, ledger.StateFailed)
	f.handAll()
	f.wantRequested("c.ndjson")
}

// TestIgnored: what is outside of the prefix, hidden, not to be taken, or not there, and what is no event.
func TestIgnored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.declare("removed", supplier.Policy{Bucket: "s3://deliveries/removed/"})
	f.imports.suppliers[1].Removed = &time.Time{}
	f.declare("without", supplier.Policy{})
	keys := []string{"clinic-b/a.ndjson", "a.ndjson", "removed/a.ndjson", "clinic/.a.ndjson", "clinic/a.txt", "clinic/folder/"}
	for _, key := range keys {
		f.put(key, "1")
	}
	f.event(append(keys, "clinic/gone.ndjson")...)
	f.notice(f.Context(), []byte("nonsense"))
	f.notice(f.Context(), []byte(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"deliveries"}`))
	f.notice(f.Context(), []byte(`{"Records":[{"eventName":"s3:ObjectRemoved:Delete","s3":{"bucket":{"name":"deliveries"},"object":{"key":"clinic/a.ndjson"}}}]}`))
	f.sweepAll()
	f.wantRequested()
	said := f.log.String()
	if !strings.Contains(said, `"outside":3,"unreadable":1`) || !strings.Contains(said, "2 objects are not taken") || strings.Contains(said, "a.ndjson") {
		t.Errorf("said: %s", said)
	}
}

// TestSharedPrefix: two suppliers with one prefix deliver the same object, each for itself.
func TestSharedPrefix(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.declare("all", supplier.Policy{Bucket: "s3://deliveries"})
	f.put("clinic/a.ndjson", "1")
	f.event("clinic/a.ndjson")
	f.sweepAll()
	f.wantRequested("all s3://deliveries/clinic/a.ndjson", "a.ndjson")
}

// TestNoStoreNow: a store that fails is said once, and asked again.
func TestNoStoreNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/a.ndjson", "1")
	account := f.store.cfg.Account
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(down.Close)
	f.store.cfg.Account = func() (s3.Account, error) { return s3.Config{Endpoint: down.URL}.Account("clinic") }
	f.sweepAll()
	f.event("clinic/a.ndjson")
	f.sweepAll()
	f.wantRequested()
	if said := f.log.String(); strings.Count(said, `"in":"clinic"`) != 1 || !strings.Contains(said, "403") {
		t.Errorf("said: %s", said)
	}
	f.store.cfg.Account = account
	f.sweepAll()
	f.wantRequested("a.ndjson")
}

// TestForgotten: what waits of a supplier that was removed is not handed over any more.
func TestForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imports.suppliers[0].MaxImports = 1
	f.put("clinic/a.ndjson", "1")
	f.put("clinic/b.ndjson", "1")
	f.sweepAll()
	f.wantRequested("a.ndjson")
	f.imports.suppliers[0].Removed = &time.Time{}
	f.imports.move(ledger.StateAccepted, ledger.StateComplete)
	f.sweepAll()
	f.wantRequested()
}

// TestRun: by itself it sweeps at once, takes events meanwhile, and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/a.ndjson", "1")
	messages := make(chan []byte)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- Run(ctx, f.cfg, f.imports, f.store, func(ctx context.Context, handle func(context.Context, []byte)) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case m := <-messages:
					handle(ctx, m)
				}
			}
		})
	}()
	await := func(n int) {
		t.Helper()
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			f.imports.mu.Lock()
			got := len(f.imports.requests)
			f.imports.mu.Unlock()
			if got == n {
				return
			}
			select {
			case <-ticker.C:
			case <-t.Context().Done():
				t.Fatalf("%d requests, want %d", got, n)
			}
		}
	}
	await(1)
	f.put("clinic/b.ndjson", "1")
	messages <- []byte(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"deliveries"},"object":{"key":"clinic/b.ndjson"}}}]}`)
	await(2)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.wantRequested("a.ndjson", "b.ndjson")
}
