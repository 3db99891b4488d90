package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

const (
	pull     = `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a.example/m"},{"name":"exportType","valueCode":"static"}]}`
	twoFiles = `{"input":[{"type":"Patient","url":"https://a.example/1"},{"type":"Patient","url":"https://a.example/2"}]}`
)

// issue is the code of an answer that is an OperationOutcome, and "" of others.
func (a answer) issue() string {
	var o operationOutcome
	if json.Unmarshal([]byte(a.body), &o) != nil || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 ||
		o.Issue[0].Diagnostics == "" || a.header.Get("Content-Type") != typeFHIR {
		return ""
	}
	return o.Issue[0].Code
}

// kickOff asks for an import and returns the path of its status, and its id.
func (f *fixture) kickOff(token, body string) (path string, id fhirmsg.ImportID) {
	f.t.Helper()
	a := f.do(http.MethodPost, "/fhir/$import", token, body, "Content-Type", "application/fhir+json", "Prefer", "respond-async")
	path, ok := strings.CutPrefix(a.header.Get("Content-Location"), f.url)
	if a.status != http.StatusAccepted || !ok {
		f.t.Fatalf("%d, Content-Location %q: %s", a.status, a.header.Get("Content-Location"), a.body)
	}
	id, err := fhirmsg.ParseImportID(strings.TrimPrefix(path, statusPath))
	check(f.t, err)
	return path, id
}

// accept does what a fetcher does with the request.
func (f *fixture) accept(id fhirmsg.ImportID, name string, sources []fhirmsg.Source) ledger.State {
	f.t.Helper()
	_, state, err := f.Ledger.Accept(f.t.Context(), fhirmsg.ImportRequest{ID: id, Supplier: name, Sources: sources}, 3, "d")
	check(f.t, err)
	return state
}

// TestFHIRErrors: whatever goes wrong below /fhir, and wherever, is told as OperationOutcome.
func TestFHIRErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	a := f.supplier("clinic-a", supplier.Policy{URLPrefixes: []string{"https://a.example/"}, MaxImports: 1})
	unknown := "0197e0f0-0000-7000-8000-000000000000"
	for _, tt := range []struct {
		name, method, path, token, contentType, body string
		status                                       int
		issue                                        string
	}{
		{"no token", http.MethodPost, "/fhir/$import", "", typeFHIR, pull, 401, "login"},
		{"text", http.MethodPost, "/fhir/$import", a, "text/plain", pull, 415, "not-supported"},
		{"not JSON", http.MethodPost, "/fhir/$import", a, typeFHIR, "{", 400, "invalid"},
		{"another dataset", http.MethodPost, "/fhir/other/$import", a, typeFHIR, pull, 422, "business-rule"},
		{"a URL that is not allowed", http.MethodPost, "/fhir/$import", a, typeFHIR, strings.Replace(pull, "a.example", "b.example", 1), 422, "business-rule"},
		{"an export that is not allowed", http.MethodPost, "/fhir/$import", a, typeFHIR, strings.NewReplacer("a.example/m", "b.example/$export", "static", "dynamic").Replace(pull), 422, "business-rule"},
		{"too large", http.MethodPost, "/fhir/$import", a, typeFHIR, strings.Repeat(" ", maxRequest+1), 413, "too-long"},
		{"no such import", http.MethodGet, statusPath + unknown, a, "", "", 404, "not-found"},
		{"no id", http.MethodGet, statusPath + "x", a, "", "", 400, "invalid"},
		{"no such import's outcomes", http.MethodGet, outcomePath + unknown + "/rejected.ndjson", a, "", "", 404, "not-found"},
		{"no such operation", http.MethodPost, "/fhir/Patient/$everything", a, "", "", 404, "not-found"},
		{"another method", http.MethodPut, "/fhir/$import", a, "", "", 404, "not-found"},
	} {
		got := f.do(tt.method, tt.path, tt.token, tt.body, "Content-Type", tt.contentType)
		if got.status != tt.status || got.issue() != tt.issue {
			t.Errorf("%s: %d %q, want %d %q: %s", tt.name, got.status, got.issue(), tt.status, tt.issue, got.body)
		}
	}
	f.accepted("clinic-a")
	got := f.do(http.MethodPost, "/fhir/$import", a, pull, "Content-Type", typeFHIR)
	if got.status != http.StatusTooManyRequests || got.issue() != "throttled" || got.header.Get("Retry-After") == "" {
		t.Errorf("one import too many: %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
}

// TestFHIRStatus follows an import from its request to its removal.
func TestFHIRStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	policy := supplier.Policy{URLPrefixes: []string{"https://a.example/"}}
	a, b := f.supplier("clinic-a", policy), f.supplier("clinic-b", policy)
	path, id := f.kickOff(a, twoFiles)
	underWay := func(progress string) {
		t.Helper()
		got := f.do(http.MethodGet, path, a, "")
		if p := got.header.Get("X-Progress"); got.status != http.StatusAccepted || !strings.Contains(p, progress) || len(p) >= 100 || got.header.Get("Retry-After") == "" {
			t.Errorf("%d, X-Progress %q, want %q, Retry-After %q", got.status, p, progress, got.header.Get("Retry-After"))
		}
	}
	if n := f.requests(); n != 1 {
		t.Errorf("%d requests in the queue", n)
	}
	underWay("queued")
	if got := f.do(http.MethodGet, path, b, ""); got.status != http.StatusNotFound || got.issue() != "not-found" {
		t.Errorf("of another supplier: %d %s", got.status, got.body)
	}
	if got := f.do(http.MethodDelete, path, b, ""); got.status != http.StatusNotFound {
		t.Errorf("DELETE by another supplier: %d", got.status)
	}
	f.accept(id, "clinic-a", []fhirmsg.Source{{URL: "https://a.example/1", Type: "Patient"}, {URL: "https://a.example/2", Type: "Patient"}})
	underWay("accepted")
	_, err := f.Ledger.BeginFetch(t.Context(), id)
	check(t, err)
	underWay("list of files")
	check(t, f.Ledger.PinFiles(t.Context(), id, []ledger.File{
		{Index: 0, Name: "https://a.example/1", Locator: []byte("{}"), State: "waiting", Size: -1},
		{Index: 1, Name: "https://a.example/2", Locator: []byte("{}"), State: "failed", Reason: "the server answered 404 Not Found", Size: -1},
	}, nil))
	underWay("1 of 2 files read, 0 of 0 resources done")
	check(t, f.Ledger.CloseFile(t.Context(), id, 0, ""))
	check(t, f.Ledger.CloseList(t.Context(), id))
	check(t, f.Ledger.Settle(t.Context(), id))

	got := f.do(http.MethodGet, path, a, "")
	var m importManifest
	if err := json.Unmarshal([]byte(got.body), &m); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s (%v)", got.status, got.body, err)
	}
	if _, err := http.ParseTime(got.header.Get("Expires")); err != nil || !m.RequiresAccessToken || m.TransactionTime == "" || len(m.Output) != 2 || len(m.Error) != 1 ||
		m.Error[0].InputURL != "https://a.example/2" || len(m.Outcome) != 1 || m.Outcome[0].Count != 1 {
		t.Fatalf("Expires %q, %+v", got.header.Get("Expires"), m)
	}
	outcomes := strings.TrimPrefix(m.Outcome[0].URL, f.url)
	lines := f.do(http.MethodGet, outcomes, a, "")
	if lines.header.Get("Content-Type") != "application/fhir+ndjson" || strings.Count(lines.body, "\n") != 1 || !strings.Contains(lines.body, "404 Not Found") {
		t.Errorf("outcomes: %s", lines.body)
	}
	if got := f.do(http.MethodGet, outcomes, b, ""); got.status != http.StatusNotFound {
		t.Errorf("outcomes of another supplier: %d", got.status)
	}
	if got := f.do(http.MethodDelete, path, a, ""); got.status != http.StatusAccepted {
		t.Errorf("DELETE: %d %s", got.status, got.body)
	}
	for _, p := range []string{path, outcomes} {
		if got := f.do(http.MethodGet, p, a, ""); got.status != http.StatusNotFound || got.issue() != "not-found" {
			t.Errorf("%s after DELETE: %d %s", p, got.status, got.body)
		}
	}
}

// TestFHIRFailure: an import that was refused, or that read nothing, has no manifest.
func TestFHIRFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	a := f.supplier("clinic-a", supplier.Policy{URLPrefixes: []string{"https://a.example/"}})
	path, id := f.kickOff(a, pull)
	f.accept(id, "clinic-a", []fhirmsg.Source{{Manifest: "https://a.example/m"}})
	_, err := f.Ledger.BeginFetch(t.Context(), id)
	check(t, err)
	check(t, f.Ledger.PinFiles(t.Context(), id, []ledger.File{{Name: "m", Locator: []byte("{}"), State: "failed", Reason: "the server answered 403 Forbidden", Size: -1}}, nil))
	check(t, f.Ledger.CloseList(t.Context(), id))
	check(t, f.Ledger.Settle(t.Context(), id))
	if got := f.do(http.MethodGet, path, a, ""); got.status != http.StatusInternalServerError || got.issue() != "exception" || !strings.Contains(got.body, "403 Forbidden") {
		t.Errorf("nothing read: %d %s", got.status, got.body)
	}

	path, id = f.kickOff(a, pull)
	check(t, f.Ledger.RemoveSupplier(t.Context(), "clinic-a"))
	f.accept(id, "clinic-a", []fhirmsg.Source{{Manifest: "https://a.example/m"}})
	a = f.supplier("clinic-a", supplier.Policy{})
	if got := f.do(http.MethodGet, path, a, ""); got.status != http.StatusUnprocessableEntity || got.issue() != "business-rule" {
		t.Errorf("refused: %d %s", got.status, got.body)
	}
}

// TestFHIRRemovedBeforeAccepted: a request that is still queued is cancelled too.
func TestFHIRRemovedBeforeAccepted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	path, id := f.kickOff("", pull)
	if got := f.do(http.MethodDelete, path, "", ""); got.status != http.StatusAccepted {
		t.Fatalf("DELETE: %d %s", got.status, got.body)
	}
	if got := f.do(http.MethodGet, path, "", ""); got.status != http.StatusNotFound {
		t.Errorf("after DELETE: %d", got.status)
	}
	if state := f.accept(id, "local", []fhirmsg.Source{{Manifest: "https://a.example/m"}}); state != ledger.StateCancelled {
		t.Errorf("the import is %s", state)
	}
}

// TestFHIRRequestTwice: a request of one key is one import, and told in the same way.
func TestFHIRRequestTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	ask := func() string {
		a := f.do(http.MethodPost, "/fhir/$import", "", pull, "Content-Type", typeFHIR, headerKey, "k")
		if a.status != http.StatusAccepted {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a.header.Get("Content-Location")
	}
	if first, again := ask(), ask(); first != again || f.requests() != 1 {
		t.Errorf("%s and %s, %d requests", first, again, f.requests())
	}
}

func TestFHIRMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	f.PublicURL = "https://stoker.example.org"
	for path, url := range map[string]string{"/fhir/metadata": "https://stoker.example.org/fhir", "/fhir/clinic/metadata": "https://stoker.example.org/fhir/clinic"} {
		got := f.do(http.MethodGet, path, "", "")
		if got.status != http.StatusOK || !strings.Contains(got.body, `"CapabilityStatement"`) || !strings.Contains(got.body, `"url":"`+url+`"`) || !strings.Contains(got.body, `"valueUri":"https://stoker.example.org/auth/token"`) ||
			!strings.Contains(got.body, `"name":"import"`) || !strings.Contains(got.body, `"name":"bulk-submit"`) || !strings.Contains(got.body, `"name":"bulk-submit-status"`) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
