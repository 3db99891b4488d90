package e2e

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// deliver copies a folder into a supplier's, under a name that is not looked at, and renames it.
func deliver(t *testing.T, from, to string) {
	t.Helper()
	partial := to + ".part"
	if err := os.CopyFS(partial, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(partial, to); err != nil {
		t.Fatal(err)
	}
}

// putAway waits for the n-th delivery to be put away and returns its report.
func putAway(t *testing.T, supplier string, n int) (s ledger.Status) {
	t.Helper()
	var reports []string
	waitFor(t, "the delivery to be put away", func() bool {
		reports, _ = filepath.Glob(filepath.Join(supplier, "done", "*", "report.json"))
		return len(reports) >= n
	})
	b, err := os.ReadFile(reports[n-1]) // named by time
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDropFolder: what lies in a supplier's folder is imported by itself, gives what an import of it
// gives, and changes nothing when it is delivered again; killed in mid-import, it goes on.
func TestDropFolder(t *testing.T) {
	t.Parallel()
	dir := data(t, "suppliers/smart-bulk-10")
	drop, home := t.TempDir(), pgtest.Dir(t)
	clinic := filepath.Join(drop, "clinic")
	if err := os.Mkdir(clinic, 0o755); err != nil {
		t.Fatal(err)
	}
	suppliers := filepath.Join(t.TempDir(), "suppliers.yaml")
	if err := os.WriteFile(suppliers, []byte("suppliers:\n  clinic:\n    dataset: clinic\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{"STOKER_FETCHER_DROP=" + drop, "STOKER_SUPPLIERS=" + suppliers, "STOKER_FETCHER_CREDIT=1000000"}
	env, p := up(t, home, settings...)
	direct := importJSON(t, env, dir, "--dataset", "direct")

	deliver(t, dir, filepath.Join(clinic, "first"))
	waitFor(t, "the import to have begun", func() bool {
		taken, _ := filepath.Glob(filepath.Join(drop, ".taken", "clinic", "*"))
		return len(taken) == 1
	})
	p.kill()
	env, _ = up(t, home, settings...)
	first := putAway(t, clinic, 1)
	wantBalanced(t, "first", first)
	if first.State != ledger.StateComplete || first.Dataset != "clinic" || first.Resources.Inserted != direct.Resources.Inserted || first.Lines != direct.Lines {
		t.Errorf("first: %s %s into %s, %+v, %+v; directly %+v, %+v", first.State, first.Reason, first.Dataset, first.Lines, first.Resources, direct.Lines, direct.Resources)
	}
	outcomes, _ := filepath.Glob(filepath.Join(clinic, "done", "*", "outcomes.ndjson"))
	f, err := os.Open(outcomes[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // opened to read only
	if b, err := io.ReadAll(f); err != nil || strings.Count(string(b), "\n") < int(direct.Lines.Rejected) {
		t.Errorf("outcomes: %d bytes, %v", len(b), err)
	}

	deliver(t, dir, filepath.Join(clinic, "second"))
	second := putAway(t, clinic, 2)
	if r := second.Resources; second.State != ledger.StateComplete || r.Unchanged != first.Resources.Inserted || r.Inserted+r.Updated != 0 {
		t.Errorf("second: %s, %+v", second.State, r.Counts)
	}
	url := databaseURL(t, env)
	if got, want := digest(t, url, "clinic"), digest(t, url, "direct"); got != want {
		t.Errorf("digest of the drop folder %s, of an import %s", got, want)
	}
}
