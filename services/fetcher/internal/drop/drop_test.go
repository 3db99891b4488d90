package drop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// requests are imports that were asked for, and end when they are told to.
type requests struct {
	mu   sync.Mutex
	all  map[fhirmsg.ImportID]fhirmsg.ImportRequest
	ends map[fhirmsg.ImportID]ledger.State
}

func (r *requests) Request(_ context.Context, req fhirmsg.ImportRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[req.ID] = req
	return nil
}

func (r *requests) Status(_ context.Context, id fhirmsg.ImportID) (ledger.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state, ok := r.ends[id]
	if !ok {
		return ledger.Status{}, ledger.ErrNotFound
	}
	return ledger.Status{Import: id, State: state, Issued: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, nil
}

func (r *requests) Reported(_ context.Context, id fhirmsg.ImportID, each func(ledger.RejectRow) error) error {
	return each(ledger.RejectRow{Import: id, FileName: "a.ndjson", Reject: fhirmsg.Reject{Line: 7}})
}

func (r *requests) end(state ledger.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.all {
		if _, ended := r.ends[id]; !ended {
			r.ends[id] = state
		}
	}
}

// fixture is a drop folder that is looked at when a test says so, by a clock of the test's.
type fixture struct {
	*testing.T
	*drop
	*requests
	clock time.Time
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{
		T: t, clock: time.Unix(1_000_000, 0),
		requests: &requests{all: map[fhirmsg.ImportID]fhirmsg.ImportRequest{}, ends: map[fhirmsg.ImportID]ledger.State{}},
	}
	f.reopen(filepath.Join(t.TempDir(), "drop"))
	return f
}

// reopen is another process that looks after the folder.
func (f *fixture) reopen(dir string) {
	f.Helper()
	d, err := open(Config{Dir: dir, Settle: 10 * time.Second, Log: zerolog.Nop()}, f.requests)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = d.root.Close() })
	d.now = func() time.Time { return f.clock }
	f.drop = d
}

func (f *fixture) put(path, content string) {
	f.Helper()
	path = filepath.Join(f.cfg.Dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		f.Fatal(err)
	}
}

// after looks after some time.
func (f *fixture) after(d time.Duration) {
	f.clock = f.clock.Add(d)
	f.round(f.Context(), func([]string) {})
}

// wantRequested compares what was asked for: each import's supplier and files.
func (f *fixture) wantRequested(want ...string) {
	f.Helper()
	var got []string
	for _, req := range f.all {
		one := req.Supplier + ":"
		if err := filepath.WalkDir(req.Sources[0].Path, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				one += " " + strings.TrimPrefix(path, req.Sources[0].Path+"/")
			}
			return nil // it may have been put away
		}); err != nil {
			f.Fatal(err)
		}
		got = append(got, one)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("imports asked for (-want +got):\n%s", diff)
	}
}

// wantFiles compares what lies in a folder; imports are named *.
func (f *fixture) wantFiles(dir string, want ...string) {
	f.Helper()
	var got []string
	root := filepath.Join(f.cfg.Dir, dir)
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			parts := strings.Split(strings.TrimPrefix(path, root+"/"), "/")
			for i, p := range parts {
				if strings.HasPrefix(p, "20260102T030405Z-") {
					parts[i] = "*"
				}
			}
			got = append(got, strings.Join(parts, "/"))
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("files in %s (-want +got):\n%s", dir, diff)
	}
}

// TestComplete: when a delivery counts as complete.
func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(*fixture)
		want []string
	}{
		{"just written", func(f *fixture) { f.put("clinic/a.ndjson", "{}"); f.after(0); f.after(9 * time.Second) }, nil},
		{"unchanged", func(f *fixture) { f.put("clinic/a.ndjson", "{}"); f.after(0); f.after(10 * time.Second) }, []string{"clinic: a.ndjson"}},
		{"grows", func(f *fixture) {
			f.put("clinic/a.ndjson", "{}")
			f.after(0)
			f.put("clinic/a.ndjson", "{}{}")
			f.after(10 * time.Second)
			f.after(9 * time.Second)
		}, nil},
		{"renamed in", func(f *fixture) {
			f.put("clinic/a.ndjson", "{}")
			f.moved(delivery{"clinic", "a.ndjson"})
			f.after(0)
		}, []string{"clinic: a.ndjson"}},
		{"said to be done", func(f *fixture) {
			f.put("clinic/a.ndjson", "{}")
			f.put("clinic/a.ndjson.done", "")
			f.after(0)
			f.wantFiles("clinic")
		}, []string{"clinic: a.ndjson"}},
		{"said to be done, of an earlier one", func(f *fixture) {
			f.put("clinic/a.ndjson.done", "")
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(filepath.Join(f.cfg.Dir, "clinic/a.ndjson.done"), old, old); err != nil {
				f.Fatal(err)
			}
			f.put("clinic/a.ndjson", "{}")
			f.after(0)
			f.wantRequested()
			f.after(10 * time.Second)
			f.wantFiles("clinic")
		}, []string{"clinic: a.ndjson"}},
		{"under way", func(f *fixture) {
			f.put("clinic/a.ndjson.part", "{}")
			f.put("clinic/.b.ndjson", "{}")
			f.moved(delivery{"clinic", "a.ndjson.part"})
			f.after(0)
			f.after(time.Hour)
		}, nil},
		{"a folder", func(f *fixture) {
			f.put("clinic/night/x/b.ndjson", "{}")
			f.put("clinic/night/a.ndjson", "{}")
			f.after(0)
			f.after(10 * time.Second)
		}, []string{"clinic: night/a.ndjson night/x/b.ndjson"}},
		{"a folder in which one file grows", func(f *fixture) {
			f.put("clinic/night/a.ndjson", "{}")
			f.after(0)
			f.put("clinic/night/b.ndjson", "{}")
			f.after(10 * time.Second)
		}, nil},
		{"an empty folder", func(f *fixture) {
			if err := os.MkdirAll(filepath.Join(f.cfg.Dir, "clinic/night"), 0o755); err != nil {
				f.Fatal(err)
			}
			f.after(0)
			f.after(time.Hour)
		}, nil},
		{"of two suppliers", func(f *fixture) {
			f.put("clinic/a.ndjson", "{}")
			f.put("lab/a.ndjson", "{}")
			f.after(0)
			f.after(10 * time.Second)
		}, []string{"clinic: a.ndjson", "lab: a.ndjson"}},
		{"of nobody", func(f *fixture) {
			f.put("a.ndjson", "{}")
			f.put("No Supplier!/a.ndjson", "{}")
			f.after(0)
			f.after(time.Hour)
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			tt.do(f)
			f.wantRequested(tt.want...)
		})
	}
}

// TestPutAway: what was imported is put away with its report, by how the import ended.
func TestPutAway(t *testing.T) {
	t.Parallel()
	for state, folder := range map[ledger.State]string{
		ledger.StateComplete: "done", ledger.StateFailed: "failed", ledger.StateCancelled: "failed",
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.put("clinic/a.ndjson", "{}")
			f.put("clinic/a.ndjson.done", "")
			f.after(0)
			f.wantFiles("clinic")
			f.end(state)
			f.after(0)
			f.wantFiles("clinic", folder+"/*/delivery/a.ndjson", folder+"/*/outcomes.ndjson", folder+"/*/report.json")
			reports, _ := filepath.Glob(filepath.Join(f.cfg.Dir, "clinic", folder, "*", "report.json"))
			b, err := os.ReadFile(reports[0])
			if err != nil {
				t.Fatal(err)
			}
			var got ledger.Status
			if err := json.Unmarshal(b, &got); err != nil || got.State != state {
				t.Fatalf("report of state %q: %v", got.State, err)
			}
			f.after(time.Hour)
			if len(f.all) != 1 {
				t.Fatalf("%d imports of one delivery", len(f.all))
			}
		})
	}
}

// TestManyDeliveries: no more of a supplier than so many are asked for at once, the others as these end, and those of
// another supplier do not wait.
func TestManyDeliveries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range maxTaken + 5 {
		f.put(fmt.Sprintf("clinic/%03d.ndjson", i), "x")
		f.put(fmt.Sprintf("clinic/%03d.ndjson.done", i), "")
	}
	f.put("other/a.ndjson", "x")
	f.put("other/a.ndjson.done", "")
	f.after(0)
	if got := len(f.all); got != maxTaken+1 {
		t.Errorf("%d were asked for, want %d", got, maxTaken+1)
	}
	f.after(0)
	if got := len(f.all); got != maxTaken+1 {
		t.Errorf("a second look: %d were asked for, want %d", got, maxTaken+1)
	}
	f.end(ledger.StateComplete)
	f.after(0) // puts them away
	f.after(0)
	if got := len(f.all); got != maxTaken+6 {
		t.Errorf("when they have ended: %d were asked for, want %d", got, maxTaken+6)
	}
}

// TestRestart: a process that ends at any point leaves what the next one goes on with.
func TestRestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/a.ndjson", "{}")
	f.put("clinic/a.ndjson.done", "")
	complete, err := f.look("clinic")
	if err != nil || len(complete) != 1 {
		t.Fatalf("complete: %v, %v", complete, err)
	}
	if err := f.take(complete[0]); err != nil { // and is killed before it asks
		t.Fatal(err)
	}
	f.reopen(f.cfg.Dir)
	f.after(0)
	f.wantRequested("clinic: a.ndjson")
	f.reopen(f.cfg.Dir) // is killed after it asked
	f.after(0)
	f.wantRequested("clinic: a.ndjson")
	f.end(ledger.StateComplete)
	all, err := f.taken()
	if err != nil || len(all) != 1 {
		t.Fatalf("taken: %v, %v", all, err)
	}
	// Is killed while it writes the report.
	f.put(filepath.Join(all[0].path(), reportName), "{")
	f.reopen(f.cfg.Dir)
	f.after(0)
	f.wantFiles("clinic", "done/*/delivery/a.ndjson", "done/*/outcomes.ndjson", "done/*/report.json")
}

// TestTwoLookAfterOneFolder: each delivery is taken once.
func TestTwoLookAfterOneFolder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/a.ndjson", "{}")
	f.put("clinic/a.ndjson.done", "")
	first := f.drop
	f.reopen(f.cfg.Dir)
	complete, err := first.look("clinic")
	if err != nil || len(complete) != 1 {
		t.Fatalf("complete: %v, %v", complete, err)
	}
	f.after(0) // the second takes it
	if err := first.take(complete[0]); err != nil {
		t.Fatal(err)
	}
	f.wantRequested("clinic: a.ndjson")
	first.round(t.Context(), func([]string) {}) // and asks for it too
	f.end(ledger.StateComplete)
	f.after(0)
	f.wantFiles("clinic", "done/*/delivery/a.ndjson", "done/*/outcomes.ndjson", "done/*/report.json")
	first.round(t.Context(), func([]string) {})
	if n := len(first.requested) + len(f.requested); n != 0 {
		t.Errorf("%d imports are remembered that were put away", n)
	}
}

// TestLinks: no link that a supplier makes reaches what is not its own.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := func(f *fixture, to, at string) {
		f.Helper()
		at = filepath.Join(f.cfg.Dir, at)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(to, at)); err != nil {
			f.Fatal(err)
		}
	}
	t.Run("in place of a supplier's folder", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.put("lab/a.ndjson.part", "{}")
		link(f, "lab", "clinic")
		f.after(0)
		f.after(time.Hour)
		f.wantRequested()
	})
	t.Run("in place of done", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		f.put("lab/b.ndjson.part", "{}")
		f.put("clinic/a.ndjson", "{}")
		f.put("clinic/a.ndjson.done", "")
		link(f, "../lab", "clinic/done")
		f.after(0)
		f.end(ledger.StateComplete)
		f.after(0)
		f.after(time.Hour)
		f.wantFiles("lab", "b.ndjson.part")
		f.wantRequested("clinic: a.ndjson")
	})
	t.Run("out of the drop folder", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		outside := t.TempDir()
		f.put("clinic/a.ndjson", "{}")
		f.put("clinic/a.ndjson.done", "")
		link(f, outside, "clinic/done")
		f.after(0)
		f.end(ledger.StateComplete)
		f.after(0)
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
			t.Fatalf("outside: %v, %v", entries, err)
		}
	})
}

// TestRun: with the system's notices and the clock.
func TestRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put("clinic/before.ndjson", "{}")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Dir: f.cfg.Dir, Settle: 50 * time.Millisecond, Log: zerolog.Nop()}, f.requests)
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	f.put("clinic/x.part", "{}")
	if err := os.Rename(filepath.Join(f.cfg.Dir, "clinic/x.part"), filepath.Join(f.cfg.Dir, "clinic/x.ndjson")); err != nil {
		t.Fatal(err)
	}
	for {
		f.end(ledger.StateComplete)
		done, err := filepath.Glob(filepath.Join(f.cfg.Dir, "clinic/done/*/delivery/*.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		if len(done) == 2 {
			return
		}
		time.Sleep(10 * time.Millisecond) // the test's own deadline ends it
	}
}
