package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// heldUp takes a file of resources out of a folder and serves it instead: half of it at once, and the rest when it is let go,
// so that an import of both is under way for as long as a test needs.
func heldUp(t *testing.T, dir string) (url string, letGo func()) {
	t.Helper()
	const name = "Observation.ndjson"
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil {
		err = os.Remove(filepath.Join(dir, name))
	}
	if err != nil {
		t.Fatal(err)
	}
	rest, letGo := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if rest.Err() == nil {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			_, _ = w.Write(content[:len(content)/2])
			_ = http.NewResponseController(w).Flush()
			<-rest.Done()
			_, _ = w.Write(content[len(content)/2:])
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(func() { letGo(); server.Close() })
	return server.URL + "/" + name, letGo
}

// TestInterruptAndResume: Ctrl-C stops an import cleanly, says how to go on, and going on ends
// as if nothing had been.
func TestInterruptAndResume(t *testing.T) {
	t.Parallel()
	const patients, seed = 8, 3
	dir, dataset := generated(t, patients, seed), ownDataset(t)
	url, letGo := heldUp(t, dir)
	env := shared(t)
	p := start(t, env, "stoker", "import", "--dataset", dataset, "--chunk-size", "8192", dir, url)
	var id string
	waitFor(t, "the import to be under way", func() bool {
		var list []ledger.Summary
		_, b := send(t, http.StatusOK, http.MethodGet, strings.TrimPrefix(env[0], "STOKER_URL=")+"/imports", nil)
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(s ledger.Summary) bool { return s.Dataset == dataset })
		if i < 0 {
			return false
		}
		id = list[i].Import.String()
		return list[i].Seen > 100 && importAccount(t, env, id).ByType["Observation"].Total() > 0
	})
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 4 || !strings.Contains(p.output(), "stoker import --resume "+id) {
		t.Fatalf("ended with %d, want 4, and the way to go on:\n%s", code, p.output())
	}
	var s ledger.Status
	if err := json.Unmarshal([]byte(stoker(t, env, "", "status", id, "--json").stdout), &s); err != nil || s.State != ledger.StatePaused {
		t.Errorf("state %s after Ctrl-C, want paused (%v)", s.State, err)
	}
	letGo()
	r := stoker(t, env, "", "import", "--json", "--resume", id)
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	wantBalanced(t, "resumed", s)
	if s.State != ledger.StateComplete || r.code != 0 {
		t.Errorf("resumed: %s (%s), exit code %d", s.State, s.Reason, r.code)
	}
	if got, want := digest(t, databaseURL(t, env), dataset), referenceDigest(t, generated(t, patients, seed)); got != want {
		t.Errorf("digest %s, without the interruption %s", got, want)
	}
}

// TestStandalone: without a running stoker up a command brings its own servers, and leaves
// nothing running.
func TestStandalone(t *testing.T) {
	t.Parallel()
	env := []string{"STOKER_DATA_DIR=" + pgtest.Dir(t)}
	in := "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\":\"Patient\",\"id\":\"b\"}"
	if r := stoker(t, env, in, "import", "-"); r.code != 0 || !strings.Contains(r.stdout, "complete") {
		t.Fatalf("import ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if r := stoker(t, env, "", "psql", "-At", "-c", "SELECT count(*) FROM fhir.patient"); strings.TrimSpace(r.stdout) != "2" {
		t.Errorf("psql printed %q (%s)", r.stdout, r.stderr)
	}
	var list []ledger.Summary
	if err := json.Unmarshal([]byte(stoker(t, env, "", "status", "--json").stdout), &list); err != nil || len(list) != 1 || list[0].Seen != 2 {
		t.Errorf("status: %+v, %v", list, err)
	}
	if r := stoker(t, env, "", "database-url"); r.code != 1 || !strings.Contains(r.stderr, "stoker up") {
		t.Errorf("database-url without a database ended with %d: %s", r.code, r.stderr)
	}
}

// TestUsage: wrong usage ends with 2 and says what is right.
func TestUsage(t *testing.T) {
	t.Parallel()
	env := []string{"STOKER_DATA_DIR=" + pgtest.Dir(t)}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"imprt"}, "unknown command"},
		{[]string{"import"}, "name at least one"},
		{[]string{"import", "--moed", "sync", "."}, "unknown flag"},
		{[]string{"import", "--mode", "upsert", "."}, "overwrite | sync"},
		{[]string{"import", "--dataset", "Public", "."}, "lower-case"},
		{[]string{"import", filepath.Join(t.TempDir(), "missing.ndjson")}, "no such file"},
		{[]string{"import", "--as-of", "yesterday", "--mode", "sync", "."}, "2026-05-01T00:00:00Z"},
		{[]string{"import", "--as-of", "2026-05-01T00:00:00Z", "."}, "mode sync"},
		{[]string{"import", "--validation", "lax", "."}, "strict | warn | off"},
		{[]string{"import", "--max-rejects", "1e3", "."}, "2.5%"},
		{[]string{"status", "1234"}, "import id"},
		{[]string{"issues", "1234"}, "import id"},
		{[]string{"retry", "1234"}, "import id"},
		{[]string{"trace", "Patient"}, "Type/id"},
		{[]string{"generate"}, "usage"},
	}
	for _, tt := range tests {
		if r := stoker(t, env, "", tt.args...); r.code != 2 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("stoker %s ended with %d: %s; want 2 and %q", strings.Join(tt.args, " "), r.code, r.stderr, tt.want)
		}
	}
	for _, args := range [][]string{{"--help"}, {"import", "--help"}, {"version"}, {"completion", "bash"}} {
		if r := stoker(t, env, "", args...); r.code != 0 || r.stdout == "" {
			t.Errorf("stoker %v ended with %d: %s", args, r.code, r.stderr)
		}
	}
}

// TestOtherModeIsRefused: a dataset has one mode, and an import in the other says so.
func TestOtherModeIsRefused(t *testing.T) {
	t.Parallel()
	env := shared(t)
	file := filepath.Join(t.TempDir(), "a.ndjson")
	if err := os.WriteFile(file, []byte("{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":{\"lastUpdated\":\"2020-01-01T00:00:00Z\"}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	importJSON(t, env, "--dataset", ownDataset(t), "--mode", "sync", file)
	if r := stoker(t, env, "", "import", "--dataset", ownDataset(t), file); r.code != 1 || !strings.Contains(r.stderr, "mode sync") {
		t.Errorf("ended with %d: %s", r.code, r.stderr)
	}
}

// TestCancel: a cancelled import is not gone on with.
func TestCancel(t *testing.T) {
	t.Parallel()
	dir := generated(t, 8, 3)
	url, letGo := heldUp(t, dir)
	env := shared(t)
	id := strings.TrimSpace(stoker(t, env, "", "import", "--no-wait", "--dataset", ownDataset(t), "--chunk-size", "8192", dir, url).stdout)
	var s ledger.Status
	waitFor(t, "the import to be under way", func() bool { s = importAccount(t, env, id); return s.Resources.Inserted > 0 })
	if r := stoker(t, env, "", "cancel", id); r.code != 0 {
		t.Fatalf("cancel ended with %d: %s", r.code, r.stderr)
	}
	letGo()
	waitFor(t, "the queue to be counted", func() bool {
		s = importAccount(t, env, id)
		return s.Missing == 0 && s.Lines.Parsed == s.Lines.Read
	})
	wantBalanced(t, "cancelled", s)
	if s.State != ledger.StateCancelled {
		t.Errorf("state %s, want cancelled", s.State)
	}
	if r := stoker(t, env, "", "import", "--resume", id); r.code != 1 || !strings.Contains(r.stderr, "cancelled") {
		t.Errorf("resuming it ended with %d: %s", r.code, r.stderr)
	}
}
