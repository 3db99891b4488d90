package api

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// TestSpoolWithoutRoom: who hands in what a pipe has is told at once that there is no room, whatever the pipe waits for.
func TestSpoolWithoutRoom(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.Inbox.MinFree = math.MaxInt64
	quiet, pipe := io.Pipe()
	defer pipe.Close() //nolint:errcheck // cannot fail
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url+"/spool", quiet)
	check(t, err)
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	_ = resp.Body.Close() // only the status counts
	if resp.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("%d, want %d", resp.StatusCode, http.StatusInsufficientStorage)
	}
}

// spooled hands in content, and returns its name.
func (f *fixture) spooled(token, content string) string {
	f.t.Helper()
	got := f.do(http.MethodPut, "/spool", token, content)
	var s Spooled
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != http.StatusCreated {
		f.t.Fatalf("%d %s (%v)", got.status, got.body, err)
	}
	return s.Spool
}

// kept are the files that lie in the spool itself.
func (f *fixture) kept() (names []string) {
	entries, err := os.ReadDir(f.Inbox.Spool)
	check(f.t, err)
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names
}

// tidied is what lies in the spool itself when the time of all that is there now is up.
func (f *fixture) tidied() []string {
	f.t.Helper()
	check(f.t, f.tidySpool(f.t.Context(), time.Now().Add(2*uploads.Kept)))
	return f.kept()
}

func named(spool ...string) string {
	var req fhirmsg.ImportRequest
	for _, name := range spool {
		req.Sources = append(req.Sources, fhirmsg.Source{Spool: name})
	}
	b, _ := json.Marshal(map[string]any{"sources": req.Sources}) // of texts
	return string(b)
}

// TestSpoolExpires: what no import names is removed in time, and what one names is its import's as long as that needs it, restarts included.
func TestSpoolExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{MaxBytes: int64(3*len(line)) - 1})
	a, b := f.spooled(token, line), f.spooled(token, line)
	if got := f.do(http.MethodPut, "/spool", token, line); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than the policy allows: %d %s", got.status, got.body)
	}
	id := f.do(http.MethodPost, "/imports", token, named(a), headerKey, "k").imported(t)
	if handed := f.handed("clinic-a", id); len(handed) != 1 || handed[a] != line || f.requests() != 1 {
		t.Errorf("handed over: %v, %d requests", handed, f.requests())
	}
	for _, name := range []string{a, "clinic-a.x", "clinic-a.x.part"} {
		if got := f.do(http.MethodPost, "/imports", token, named(b, name)); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s, which is not there: %d %s", name, got.status, got.body)
		}
	}
	if got := f.do(http.MethodPost, "/imports", token, named(b, b)); got.status != http.StatusBadRequest || !strings.Contains(got.body, "sources[1].spool: is named twice") {
		t.Errorf("one twice: %d %s", got.status, got.body)
	}
	c := f.spooled(token, line) // what the import has does not count any more
	if got := f.kept(); !slices.Contains(got, b) || !slices.Contains(got, c) || len(got) != 2 {
		t.Errorf("before their time is up: %v", got)
	}
	check(t, f.tidySpool(t.Context(), time.Now()))
	if n := len(f.kept()); n != 2 {
		t.Errorf("%d are left of those whose time is not up", n)
	}
	check(t, f.Recover())
	if got := f.tidied(); len(got) != 0 {
		t.Errorf("after their time: %v", got)
	}
	f.spooled(token, line+line) // there is room again
	check(t, f.Inbox.Tidy(time.Now().Add(2*uploads.Kept), f.hasEnded(t.Context())))
	if f.handed("clinic-a", id)[a] != line {
		t.Error("what an import under way needs was removed")
	}
	_, _, err := f.Ledger.Accept(t.Context(), fhirmsg.ImportRequest{ID: id, Supplier: "clinic-a", Sources: []fhirmsg.Source{{Spool: "x"}}}, 3, "d")
	check(t, err)
	check(t, f.Inbox.Tidy(time.Now().Add(2*uploads.Kept), f.hasEnded(t.Context())))
	if f.handed("clinic-a", id)[a] != line {
		t.Error("what an import under way needs was removed")
	}
	check(t, f.Ledger.Cancel(t.Context(), id))
	check(t, f.Inbox.Tidy(time.Now(), f.hasEnded(t.Context())))
	if f.Inbox.IsHanded("clinic-a", id) {
		t.Error("what an import had that was cancelled is still there")
	}
	// The same request, whose answer was lost with the process.
	f.forgetsKeys()
	if again := f.do(http.MethodPost, "/imports", token, named(a), headerKey, "k").imported(t); again != id || f.requests() != 1 {
		t.Errorf("again: import %s, want %s; %d requests", again, id, f.requests())
	}
}

// TestSpoolOfManyFiles: files count, however small they are.
func TestSpoolOfManyFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	a, b := f.supplier("clinic-a", supplier.Policy{}), f.supplier("clinic-b", supplier.Policy{MaxBytes: 100})
	for i := range 999 {
		check(t, os.WriteFile(filepath.Join(f.Inbox.Spool, fmt.Sprintf("clinic-a.%d.ndjson", i)), nil, 0o600))
	}
	name := f.spooled(a, "")
	if got := f.do(http.MethodPut, "/spool", a, ""); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "no import names") {
		t.Errorf("one more: %d %s", got.status, got.body)
	}
	f.spooled(b, line) // which others do not keep from it
	f.spooled("", line)
	f.do(http.MethodPost, "/imports", a, named(name)).imported(t)
	f.spooled(a, line)
}

// TestSpoolAtOnce: what is handed in at the same time counts together.
func TestSpoolAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	token := f.supplier("clinic-a", supplier.Policy{MaxBytes: int64(3*len(line)) - 1})
	content, pipe := io.Pipe()
	answer := make(chan int)
	go func() {
		defer close(answer)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url+"/spool", content)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close() // only the status counts
		answer <- resp.StatusCode
	}()
	if _, err := io.WriteString(pipe, line); err != nil {
		t.Fatal(err)
	}
	for len(f.kept()) == 0 {
		time.Sleep(time.Millisecond)
	}
	other := f.spooled(token, line)
	if _, err := io.WriteString(pipe, line); err != nil {
		t.Fatal(err)
	}
	check(t, pipe.Close())
	if got := <-answer; got != http.StatusRequestEntityTooLarge {
		t.Errorf("answered with %d, want %d", got, http.StatusRequestEntityTooLarge)
	}
	if got := f.kept(); len(got) != 1 || got[0] != other {
		t.Errorf("kept %v, want %s alone", got, other)
	}
}

// TestSpoolElsewhere: uploads may lie on another file system than the spool.
func TestSpoolElsewhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	memory := "/dev/shm" // where Linux has another file system for certain
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	elsewhere, err := os.MkdirTemp(memory, "stoker-test-")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(elsewhere) })
	check(t, os.MkdirAll(f.Inbox.Spool, 0o700))
	check(t, os.Symlink(elsewhere, filepath.Join(f.Inbox.Spool, "uploads")))
	name := f.spooled("", line)
	id := f.do(http.MethodPost, "/imports", "", named(name)).imported(t)
	if handed := f.handed("local", id); len(handed) != 1 || handed[name] != line || len(f.kept()) != 0 {
		t.Errorf("handed over: %v; left: %v", handed, f.kept())
	}
}

// TestSpoolInUse: what an import names whose request did not come this way stays until that has ended, however old it is, and so does what
// is still on its way.
func TestSpoolInUse(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	name := f.spooled("", line)
	check(t, os.WriteFile(filepath.Join(f.Inbox.Spool, "x.ndjson.part"), nil, 0o600))
	id := fhirmsg.ImportIDFromKey("", "k")
	_, state, err := f.Ledger.Accept(t.Context(), fhirmsg.ImportRequest{
		ID: id, Supplier: "local", Sources: []fhirmsg.Source{{URL: "https://a.example/x"}, {Spool: name}},
	}, 3, "d")
	if err != nil || state != ledger.StateAccepted {
		t.Fatal(state, err)
	}
	if got, want := fmt.Sprint(f.tidied()), fmt.Sprint(slices.Sorted(slices.Values([]string{name, "x.ndjson.part"}))); got != want {
		t.Errorf("in use: %s, want %s", got, want)
	}
	check(t, f.Ledger.Cancel(t.Context(), id))
	if got := fmt.Sprint(f.tidied()); got != "[x.ndjson.part]" {
		t.Errorf("after its import: %s", got)
	}
	check(t, f.Recover())
	if got := f.kept(); len(got) != 0 {
		t.Errorf("after a restart: %s", got)
	}
}

// TestSpoolCutOff: a process that ends while an import takes what was handed in loses nothing of it.
func TestSpoolCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	name := f.spooled("", line)
	_, err := f.Inbox.Begin("local")
	check(t, err)
	begun, err := filepath.Glob(filepath.Join(f.Inbox.Spool, "uploads/local/open/*/files"))
	check(t, err)
	check(t, os.Link(filepath.Join(f.Inbox.Spool, name), filepath.Join(begun[0], name)))
	check(t, f.Recover())
	id := f.do(http.MethodPost, "/imports", "", named(name)).imported(t)
	if f.handed("local", id)[name] != line || f.openFolders("local") != 0 {
		t.Errorf("handed over: %v, %d open", f.handed("local", id), f.openFolders("local"))
	}
}
