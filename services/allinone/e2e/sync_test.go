package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// publisher is a server that publishes a folder of files as $bulk-publish has it: a manifest with an ETag, which grows.
type publisher struct {
	url string

	mu      sync.Mutex
	files   []string
	listed  int           // files that the manifest lists
	asked   int           // answers that were no 304
	halt    string        // path of which only the half is sent before release
	halted  chan struct{} // it was asked for
	release chan struct{}
}

func newPublisher(t *testing.T, dir string) *publisher {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	p := &publisher{files: files, listed: len(files) / 2}
	server := httptest.NewUnstartedServer(p)
	p.url = "http://" + server.Listener.Addr().String()
	server.Start()
	t.Cleanup(server.Close)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	halt, halted, release := p.halt == r.URL.Path, p.halted, p.release
	if halt {
		p.halt = ""
	}
	p.mu.Unlock()
	if halt {
		close(halted)
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
	}
	if r.URL.Path == "/$bulk-publish" {
		p.manifest(w, r)
		return
	}
	for _, f := range p.files {
		if r.URL.Path == "/files/"+filepath.Base(f) {
			http.ServeFile(w, r, f)
			return
		}
	}
	http.NotFound(w, r)
}

func (p *publisher) manifest(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tag := fmt.Sprintf(`"%d"`, p.listed)
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	p.asked++
	output := []map[string]string{}
	for _, f := range p.files[:p.listed] {
		output = append(output, map[string]string{"url": "files/" + filepath.Base(f)})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // else the client went away
		"transactionTime": "2026-01-01T00:00:00Z", "epochStartTime": "2026-01-01T00:00:00Z", "requiresAccessToken": false, "output": output,
	})
}

// haltAt has the next request for a path wait.
func (p *publisher) haltAt(path string) (halted, release chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt, p.halted, p.release = path, make(chan struct{}), make(chan struct{})
	return p.halted, p.release
}

// grow lists all files from now on, and returns the path of the first new one.
func (p *publisher) grow() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.files[p.listed]
	p.listed = len(p.files)
	return "/files/" + filepath.Base(first)
}

// TestSync: a published manifest is imported once, an unchanged one costs a request and no import, and of one that grew
// what is new is imported; killed while it asks and while it imports, the run goes on. All of it gives what an import of the
// folder gives.
func TestSync(t *testing.T) {
	t.Parallel()
	dir := data(t, "suppliers/smart-bulk-10")
	p, home := newPublisher(t, dir), pgtest.Dir(t)
	file := filepath.Join(t.TempDir(), "suppliers.yaml")
	content := fmt.Sprintf(`suppliers:
  directory:
    url_prefixes: [%s/]
    internal_hosts: [127.0.0.1]
syncs:
  nightly:
    from: %s/$bulk-publish
    every: "0 2 29 2 *" # not while this runs
    zone: Europe/Berlin
    supplier: directory
`, p.url, p.url)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{"STOKER_SUPPLIERS=" + file}
	env, server := up(t, home, settings...)
	direct := importJSON(t, env, dir, "--dataset", "direct")

	// Killed while the source is asked: another process asks.
	halted, _ := p.haltAt("/$bulk-publish")
	if r := stoker(t, env, "", "sync", "run", "nightly"); r.code != 0 {
		t.Fatalf("sync run: %s", r.stderr)
	}
	<-halted
	server.kill()
	env, server = up(t, home, settings...)
	first := lastRun(t, env)
	if first.State != ledger.SyncComplete || first.Counts.Inserted == 0 || first.Counts.Inserted >= direct.Resources.Inserted {
		t.Errorf("first: %+v; all are %d", first, direct.Resources.Inserted)
	}

	// Unchanged: no import.
	r := stoker(t, env, "", "sync", "run", "nightly", "--wait")
	if r.code != 0 || !strings.Contains(r.stdout, "unchanged; nothing was imported") {
		t.Errorf("ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if n := imports(t, env); n != 2 { // one of them directly
		t.Errorf("%d imports after an unchanged manifest, want 2", n)
	}

	// Changed, and killed in the middle of what is new.
	halted, release := p.haltAt(p.grow())
	if r := stoker(t, env, "", "sync", "run", "nightly"); r.code != 0 {
		t.Fatalf("sync run: %s", r.stderr)
	}
	<-halted
	server.kill()
	close(release)
	env, _ = up(t, home, settings...)
	second := lastRun(t, env)
	if second.State != ledger.SyncComplete || second.Counts.Unchanged != 0 || first.Counts.Inserted+second.Counts.Inserted != direct.Resources.Inserted {
		t.Errorf("second: %+v; with the first there are to be %d", second, direct.Resources.Inserted)
	}
	if n := imports(t, env); n != 3 {
		t.Errorf("%d imports, want 3", n)
	}
	url := databaseURL(t, env)
	if got, want := digest(t, url, "directory"), digest(t, url, "direct"); got != want {
		t.Errorf("digest of the sync %s, of an import %s", got, want)
	}
	list := stoker(t, env, "", "sync", "list").stdout
	if !strings.Contains(list, "complete") || !strings.Contains(list, "2028-02-29 02:00 CET") {
		t.Errorf("the list shows\n%s", list)
	}
}

// lastRun waits for the end of the newest run.
func lastRun(t *testing.T, env []string) (run ledger.SyncRun) {
	t.Helper()
	waitFor(t, "the run to end", func() bool {
		var s api.Sync
		r := stoker(t, env, "", "sync", "show", "nightly", "--json")
		if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
			t.Fatalf("sync show: %v: %s", err, r.stderr)
		}
		run = s.Runs[0]
		return run.State.Ended()
	})
	return run
}

// imports is how many there are.
func imports(t *testing.T, env []string) int {
	t.Helper()
	var list []ledger.Summary
	if err := json.Unmarshal([]byte(stoker(t, env, "", "status", "--json").stdout), &list); err != nil {
		t.Fatal(err)
	}
	return len(list)
}
