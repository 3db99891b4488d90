package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/writer"
)

// The import to be undone updates, deletes, confirms, brings back to life and adds.
const (
	beforeIt = `{"resourceType":"Patient","id":"updated","gender":"male"}
{"resourceType":"Patient","id":"same"}
{"resourceType":"Patient","id":"removed"}
{"resourceType":"Patient","id":"gone"}
{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"Patient/gone"}}]}
{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}}
`
	itself = `{"resourceType":"Patient","id":"updated","gender":"female"}
{"resourceType":"Patient","id":"same"}
{"resourceType":"Patient","id":"gone"}
{"resourceType":"Patient","id":"added"}
{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"DELETE","url":"Patient/removed"}}]}
{"resourceType":"Observation","id":"o","status":"amended","code":{"text":"x"}}
`
	insertsOnly = `{"resourceType":"Patient","id":"p1"}
{"resourceType":"Patient","id":"p2"}
`
)

func status(t *testing.T, env []string, s ledger.Status) ledger.Status {
	t.Helper()
	r := stoker(t, env, "", "status", "--json", s.Import.String())
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("status: %v\n%s", err, r.stderr)
	}
	return s
}

// TestDiscard: with a history, an import with updates and deletions is undone, also when its messages are
// read again; without one, only an import that inserted is, and the other is refused with numbers.
func TestDiscard(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, false)
	env, _ := up(t, pgtest.Dir(t), p.env...)
	for _, want := range []string{"is on\n", "is on already\n"} {
		if r := stoker(t, env, "", "dataset", "history", "fhir", "on"); r.code != 0 || !strings.HasSuffix(r.stdout, want) {
			t.Fatalf("dataset history ended with %d: %s%s", r.code, r.stdout, r.stderr)
		}
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "it.ndjson"), []byte(itself), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, dataset := range []string{"fhir", "plain"} {
		importJSON(t, env, "--dataset", dataset, write(t, "before.ndjson", beforeIt))
	}
	before := digest(t, p.databaseURL, "fhir")

	it := importJSON(t, env, folder)
	id := it.Import.String()
	if c := it.Resources.Counts; c != (ledger.Counts{Updated: 2, Unchanged: 1, Inserted: 2, Deleted: 1}) {
		t.Fatalf("the import to be undone: %+v", c)
	}
	after := digest(t, p.databaseURL, "fhir")
	if r := stoker(t, env, "", "discard", id); r.code != 0 || !strings.Contains(r.stdout, "would discard") || digest(t, p.databaseURL, "fhir") != after {
		t.Errorf("without --yes: %d, %s%s", r.code, r.stdout, r.stderr)
	}
	var d writer.Discarded
	r := stoker(t, env, "", "discard", id, "--file", it.Files[0].Name, "--yes", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil || d.Removed != 1 || d.Restored != 5 {
		t.Errorf("discard of the file ended with %d: %s%s (%v)", r.code, r.stdout, r.stderr, err)
	}
	if got := digest(t, p.databaseURL, "fhir"); got != before {
		t.Errorf("digest %s, before the import %s", got, before)
	}
	if r := stoker(t, env, "", "discard", id, "--yes"); r.code != 0 || !strings.Contains(r.stdout, "0 resources removed, 0 restored") {
		t.Errorf("discard of the rest ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	p.redeliver()
	if got := digest(t, p.databaseURL, "fhir"); got != before {
		t.Errorf("digest after its messages were read again %s, before the import %s", got, before)
	}
	s := status(t, env, it)
	wantBalanced(t, "discarded", s)
	if s.Resources.Counts != (ledger.Counts{Discarded: 6}) || s.State != ledger.StateComplete || !strings.Contains(s.Reason, "discarded") {
		t.Errorf("account of what was discarded: %s (%s), %+v", s.State, s.Reason, s.Resources.Counts)
	}
	var trace api.Trace
	r = stoker(t, env, "", "trace", "Patient/gone", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &trace); err != nil || len(trace.History) != 2 || len(trace.Deliveries) != 3 || trace.Deliveries[2].Outcome != "discarded" {
		t.Errorf("trace: %+v, %v", trace, err)
	}

	// Without a history.
	it = importJSON(t, env, "--dataset", "plain", folder)
	after = digest(t, p.databaseURL, "plain")
	if r := stoker(t, env, "", "discard", it.Import.String(), "--yes"); r.code != 1 || !strings.Contains(r.stderr, "5 resources stand against it") ||
		!strings.Contains(r.stderr, "stoker dataset history plain on") {
		t.Errorf("discard without a history ended with %d: %s", r.code, r.stderr)
	}
	inserts := importJSON(t, env, "--dataset", "plain", write(t, "inserts.ndjson", insertsOnly))
	if r := stoker(t, env, "", "discard", inserts.Import.String(), "--yes"); r.code != 0 || !strings.Contains(r.stdout, "2 resources removed") {
		t.Errorf("discard of what only inserted ended with %d: %s%s", r.code, r.stdout, r.stderr)
	}
	p.redeliver()
	if got := digest(t, p.databaseURL, "plain"); got != after {
		t.Errorf("digest %s, before the inserts %s", got, after)
	}
	s = status(t, env, inserts)
	wantBalanced(t, "inserts", s)
}

// TestDiscardUsage: wrong usage ends with 2 and says what is right.
func TestDiscardUsage(t *testing.T) {
	t.Parallel()
	env := []string{"STOKER_DATA_DIR=" + pgtest.Dir(t)}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"discard", "1234"}, "import id"},
		{[]string{"discard"}, "usage"},
		{[]string{"discard", "01890a5d-ac96-774b-bcce-b302099a8057", "--file", ""}, "index of a file"},
		{[]string{"dataset", "history", "fhir"}, "usage"},
		{[]string{"dataset", "history", "fhir", "yes"}, "on or off"},
		{[]string{"dataset", "history", "Public", "on"}, "lower-case"},
	}
	for _, tt := range tests {
		if r := stoker(t, env, "", tt.args...); r.code != 2 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("stoker %s ended with %d: %s; want 2 and %q", strings.Join(tt.args, " "), r.code, r.stderr, tt.want)
		}
	}
}
