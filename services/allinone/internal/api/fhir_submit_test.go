package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/kickoff"
)

const (
	submitter   = "https://a.example/submitters|clinic"
	submitPath  = "/fhir/$bulk-submit"
	manifestURL = "https://a.example/m"
	eventStatus = "http://hl7.org/fhir/event-status"
	draftStatus = "http://hl7.org/fhir/uv/bulkdata/ValueSet/submission-status"
)

// submissionOf is a request about a submission with more parameters.
func submissionOf(name string, more ...string) string {
	system, value, _ := strings.Cut(submitter, "|")
	list := append([]string{
		fmt.Sprintf(`{"name":"submitter","valueIdentifier":{"system":%q,"value":%q}}`, system, value),
		fmt.Sprintf(`{"name":"submissionId","valueString":%q}`, name),
	}, more...)
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(list, ",") + `]}`
}

func manifestAt(url string) string {
	return fmt.Sprintf(`{"name":"manifestUrl","valueUrl":%q},{"name":"fhirBaseUrl","valueUrl":"https://a.example/fhir"}`, url)
}

func replacing(url string) string {
	return fmt.Sprintf(`{"name":"replacesManifestUrl","valueUrl":%q}`, url)
}

func submissionStatus(system, code string) string {
	return fmt.Sprintf(`{"name":"submissionStatus","valueCoding":{"system":%q,"code":%q}}`, system, code)
}

// submits sends a request of submission "s", and wants it to be taken.
func (f *fixture) submits(token string, more ...string) operationOutcome {
	f.t.Helper()
	got := f.do(http.MethodPost, submitPath, token, submissionOf("s", more...), "Content-Type", typeFHIR)
	var o operationOutcome
	if err := json.Unmarshal([]byte(got.body), &o); err != nil || got.status != http.StatusOK || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		f.t.Fatalf("%d %s (%v)", got.status, got.body, err)
	}
	return o
}

// watched is the path of the status of submission "s".
func (f *fixture) watched(token string) string {
	f.t.Helper()
	got := f.do(http.MethodPost, "/fhir/$bulk-submit-status", token, submissionOf("s"), "Content-Type", typeFHIR, "Prefer", "respond-async")
	path, ok := strings.CutPrefix(got.header.Get("Content-Location"), f.url)
	if got.status != http.StatusAccepted || !ok {
		f.t.Fatalf("%d, Content-Location %q: %s", got.status, got.header.Get("Content-Location"), got.body)
	}
	return path
}

func keyOfSubmission(name string) ledger.SubmissionKey {
	system, value, _ := strings.Cut(submitter, "|")
	return ledger.SubmissionKey{Supplier: name, System: system, Submitter: value, Name: "s"}
}

func importOf(name, url string) fhirmsg.ImportID { return keyOfSubmission(name).ImportOf(url) }

// submission is that of a supplier, of one manifest, which is watched.
func (f *fixture) submission(name string) fhirmsg.ImportID {
	f.t.Helper()
	key := keyOfSubmission(name)
	_, _, err := f.Ledger.Submit(f.t.Context(), ledger.Submit{SubmissionKey: key, Dataset: name, Manifest: manifestURL, MaxOpen: 10, MaxManifests: 10})
	check(f.t, err)
	check(f.t, f.Ledger.Watch(f.t.Context(), key.ID(), true))
	return key.ID()
}

// imports does what the services do with a manifest of files, of which those that are named failed-… could not be read.
func (f *fixture) imports(name, url string, files ...string) fhirmsg.ImportID {
	f.t.Helper()
	id := importOf(name, url)
	imp, _, err := f.Ledger.Accept(f.t.Context(), fhirmsg.ImportRequest{ID: id, Supplier: name, Sources: []fhirmsg.Source{{Manifest: url}}}, 3, "d")
	check(f.t, err)
	_, err = f.Ledger.BeginFetch(f.t.Context(), id)
	check(f.t, err)
	var list []ledger.File
	for i, file := range files {
		entry := ledger.File{Index: int32(i), Name: file, Locator: []byte("{}"), State: "waiting", Size: -1}
		if strings.HasPrefix(file, "failed-") {
			entry.State, entry.Reason = "failed", "the server answered 404 Not Found"
		}
		list = append(list, entry)
	}
	check(f.t, f.Ledger.PinFiles(f.t.Context(), id, list, nil))
	for i := range list {
		check(f.t, f.Ledger.CloseFile(f.t.Context(), id, int32(i), ""))
	}
	check(f.t, f.Ledger.CloseList(f.t.Context(), id))
	check(f.t, f.Ledger.Settle(f.t.Context(), imp.ID))
	return id
}

// TestBulkSubmitErrors: what is wrong is told with its status of HTTP as OperationOutcome, and has no effect.
func TestBulkSubmitErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	a := f.supplier("clinic-a", supplier.Policy{URLPrefixes: []string{"https://a.example/"}, Submitters: []string{submitter}, MaxImports: 1})
	b := f.supplier("clinic-b", supplier.Policy{URLPrefixes: []string{"https://a.example/"}, Submitters: []string{"https://b.example|b"}})
	common := supplier.Policy{URLPrefixes: []string{"https://a.example/"}, Dataset: "common", Keys: fhirmsg.KeysKeep}
	shared := f.supplier("clinic-c", common)
	f.supplier("clinic-d", common)
	const m = manifestURL
	f.do(http.MethodPost, submitPath, a, submissionOf("done", manifestAt(m), submissionStatus(eventStatus, "completed")), "Content-Type", typeFHIR)
	for _, tt := range []struct {
		name, path, token, contentType, body string
		status                               int
		issue                                string
	}{
		{"no token", submitPath, "", typeFHIR, submissionOf("s", manifestAt(m)), 401, "login"},
		{"text", submitPath, a, "text/plain", submissionOf("s", manifestAt(m)), 415, "not-supported"},
		{"not JSON", submitPath, a, typeFHIR, "{", 400, "invalid"},
		{"too large", submitPath, a, typeFHIR, strings.Repeat(" ", kickoff.MaxSubmit+1), 413, "too-long"},
		{"nothing to do", submitPath, a, typeFHIR, submissionOf("s"), 400, "invalid"},
		{"encrypted", submitPath, a, typeFHIR, submissionOf("s", manifestAt(m), `{"name":"fileEncryptionKey","part":[{"name":"value","valueString":"x"}]}`), 422, "not-supported"},
		{"another submitter", submitPath, b, typeFHIR, submissionOf("s", manifestAt(m)), 403, "forbidden"},
		{"another dataset", "/fhir/other/$bulk-submit", a, typeFHIR, submissionOf("s", manifestAt(m)), 422, "business-rule"},
		{"a URL that is not allowed", submitPath, a, typeFHIR, submissionOf("s", manifestAt("https://b.example/m")), 422, "business-rule"},
		{"a dataset of others without history", submitPath, shared, typeFHIR, submissionOf("s", manifestAt(m)), 422, "business-rule"},
		{"no such submission", submitPath, a, typeFHIR, submissionOf("s", submissionStatus(eventStatus, "stopped")), 404, "not-found"},
		{"of another supplier", submitPath, shared, typeFHIR, submissionOf("done", submissionStatus(eventStatus, "completed")), 404, "not-found"},
		{"a manifest too late", submitPath, a, typeFHIR, submissionOf("done", manifestAt(m+"2")), 409, "conflict"},
		{"stopped too late", submitPath, a, typeFHIR, submissionOf("done", submissionStatus(draftStatus, "aborted")), 409, "conflict"},
		{"no status of it", "/fhir/$bulk-submit-status", a, typeFHIR, submissionOf("s"), 404, "not-found"},
		{"no status of another supplier's", "/fhir/$bulk-submit-status", shared, typeFHIR, submissionOf("done"), 404, "not-found"},
		{"no status of it in another dataset", "/fhir/other/$bulk-submit-status", a, typeFHIR, submissionOf("done"), 404, "not-found"},
		{"another format of status", "/fhir/$bulk-submit-status", a, typeFHIR, submissionOf("done", `{"name":"_outputFormat","valueString":"text/csv"}`), 400, "invalid"},
	} {
		got := f.do(http.MethodPost, tt.path, tt.token, tt.body, "Content-Type", tt.contentType)
		if got.status != tt.status || got.issue() != tt.issue {
			t.Errorf("%s: %d %q, want %d %q: %s", tt.name, got.status, got.issue(), tt.status, tt.issue, got.body)
		}
	}
	if got := f.do(http.MethodPost, "/fhir/clinic-a/$bulk-submit-status", a, submissionOf("done"), "Content-Type", typeFHIR); got.status != http.StatusAccepted {
		t.Errorf("the status of it in its dataset: %d %s", got.status, got.body)
	}
	f.submits(a, manifestAt(m))
	got := f.do(http.MethodPost, submitPath, a, submissionOf("s", manifestAt(m+"2"), replacing("https://a.example/none")), "Content-Type", typeFHIR)
	if got.status != http.StatusNotFound || got.issue() != "not-found" {
		t.Errorf("none to replace: %d %s", got.status, got.body)
	}
	for i := range maxSubmissions {
		got = f.do(http.MethodPost, submitPath, a, submissionOf(fmt.Sprint(i), manifestAt(m)), "Content-Type", typeFHIR)
	}
	if got.status != http.StatusTooManyRequests || got.issue() != "throttled" || got.header.Get("Retry-After") == "" {
		t.Errorf("one submission too many: %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
	f.accepted("clinic-a")
	_, err := f.Store.Pool.Exec(t.Context(), `INSERT INTO stoker.import (id, issued, supplier, dataset, pins, request, state)
		SELECT gen_random_uuid(), issued - n * interval '1 second', supplier, dataset, pins, request, state FROM stoker.import, generate_series(1, $1) n WHERE supplier = 'clinic-a'`, ledger.MaxOpenImports)
	check(t, err)
	got = f.do(http.MethodPost, submitPath, a, submissionOf("s", manifestAt(m+"3")), "Content-Type", typeFHIR)
	if got.status != http.StatusTooManyRequests || !strings.Contains(got.body, "may wait") {
		t.Errorf("one import too many: %d %s", got.status, got.body)
	}
}

// TestBulkSubmitMetadata: where the operator has set up how tokens are had, a submission may say where, within the policy.
func TestBulkSubmitMetadata(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	policy := supplier.Policy{URLPrefixes: []string{"https://a.example/", "http://a.example/"}, Base: "https://policy.example/fhir"}
	token, hash := supplier.NewToken("clinic-a")
	check(t, f.Ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "clinic-a", Policy: policy, Credentials: supplier.Credentials{
		TokenHashes: []string{hash}, FetchOAuth: &supplier.FetchOAuth{ClientID: "stoker"},
	}}, false))
	at := func(url string) string { return `{"name":"oauthMetadataUrl","valueUrl":"` + url + `"}` }
	o := f.submits(token, manifestAt(manifestURL), at("https://a.example/metadata"))
	if strings.Contains(fmt.Sprint(o), "oauthMetadataUrl") {
		t.Errorf("%v", o)
	}
	waiting, err := f.Ledger.Queueables(t.Context(), fhirmsg.ImportID{}, 10)
	if check(t, err); len(waiting) != 1 || !slices.Equal(waiting[0].Request.Sources[0].OAuth, []string{"https://a.example/metadata"}) {
		t.Errorf("%+v", waiting)
	}
	got := f.do(http.MethodPost, submitPath, token, submissionOf("s", manifestAt(manifestURL+"2"), at("https://b.example/metadata")), "Content-Type", typeFHIR)
	if got.status != http.StatusUnprocessableEntity || got.issue() != "business-rule" || !strings.Contains(got.body, "oauthMetadataUrl 1") {
		t.Errorf("elsewhere: %d %s", got.status, got.body)
	}
	got = f.do(http.MethodPost, submitPath, token, submissionOf("s", manifestAt(manifestURL+"3"), at("http://a.example/metadata")), "Content-Type", typeFHIR)
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "oauthMetadataUrl 1: must begin with https") {
		t.Errorf("in the clear: %d %s", got.status, got.body)
	}
}

// TestBulkSubmitQueues: a manifest is one import request, however often it is sent; once its dataset keeps a history.
func TestBulkSubmitQueues(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	a := f.supplier("clinic-a", supplier.Policy{URLPrefixes: []string{"https://a.example/"}, Base: "https://policy.example/fhir", Snapshot: true})
	const m = manifestURL
	secret := `{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"X-Key"},{"name":"headerValue","valueString":"hunter2"}]}`
	oauth := `{"name":"oauthMetadataUrl","valueUrl":"https://a.example/.well-known/smart-configuration"}`
	o := f.submits(a, manifestAt(m), secret, oauth)
	if text := fmt.Sprint(o); !strings.Contains(text, importOf("clinic-a", m).String()) || !strings.Contains(text, "oauthMetadataUrl is not used") || strings.Contains(text, "hunter2") {
		t.Errorf("%s", text)
	}
	if n := f.requests(); n != 0 {
		t.Errorf("%d requests before there is a history", n)
	}
	waiting, err := f.Ledger.Queueables(t.Context(), fhirmsg.ImportID{}, 10)
	if check(t, err); len(waiting) != 1 || waiting[0].Request.Sources[0].Manifest != m || waiting[0].Request.Sources[0].Headers[0].Value != "hunter2" ||
		waiting[0].Request.IsSnapshot() || waiting[0].Request.Snapshot == nil || waiting[0].Request.Dataset != "clinic-a" || waiting[0].Request.Base != "https://policy.example/fhir" {
		t.Errorf("%+v", waiting)
	}
	_, err = f.Operator.SetHistory(t.Context(), "clinic-a", true)
	check(t, err)
	for range 2 {
		f.submits(a, manifestAt(m), secret)
	}
	f.submits(a, manifestAt("https://a.example/m2"))
	if n := f.requests(); n != 2 {
		t.Errorf("%d requests of two manifests", n)
	}
	if waiting, err = f.Ledger.Queueables(t.Context(), fhirmsg.ImportID{}, 10); err != nil || len(waiting) != 0 {
		t.Errorf("%d wait, %v", len(waiting), err)
	}
}

// TestSubmissionStatus follows a submission of three manifests, of which one takes the place of another, to its status manifest.
func TestSubmissionStatus(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	policy := supplier.Policy{URLPrefixes: []string{"https://a.example/"}}
	a, b := f.supplier("clinic-a", policy), f.supplier("clinic-b", policy)
	_, err := f.Operator.SetHistory(t.Context(), "clinic-a", true)
	check(t, err)
	const one, two, three = "https://a.example/1?sig=x", "https://a.example/2", "https://a.example/3"
	f.submits(a, manifestAt(one))
	f.submits(a, manifestAt(two))
	path := f.watched(a)
	underWay := func(progress string) {
		t.Helper()
		got := f.do(http.MethodGet, path, a, "")
		if p := got.header.Get("X-Progress"); got.status != http.StatusAccepted || p != progress || got.header.Get("Retry-After") == "" {
			t.Errorf("%d, X-Progress %q, want %q, Retry-After %q", got.status, p, progress, got.header.Get("Retry-After"))
		}
	}
	underWay("0 of 2 manifests done, 0 of 0 files read; not completed by its sender")
	good := f.imports("clinic-a", one, "Patient.ndjson", "failed-Observation.ndjson")
	f.imports("clinic-a", two, "Patient.ndjson")
	underWay("2 of 2 manifests done, 3 of 3 files read; not completed by its sender")
	f.submits(a, manifestAt(three), replacing(two))
	underWay("1 of 3 manifests done, 2 of 2 files read, 1 being undone; not completed by its sender")
	f.submits(a, submissionStatus(eventStatus, "completed"))
	f.imports("clinic-a", three)
	underWay("2 of 3 manifests done, 2 of 2 files read, 1 being undone")
	check(t, f.Ledger.Undone(t.Context(), importOf("clinic-a", two), 4, 5, ""))
	check(t, f.Ledger.RecordRejects(t.Context(), []fhirmsg.Rejects{{
		RejectsHeader: fhirmsg.RejectsHeader{Import: fhirmsg.Import{ID: good}},
		Items: []fhirmsg.Reject{
			{Line: 2, Offset: 40, Raw: []byte("x"), Issues: []fhirmsg.Issue{{Severity: "error", Code: "structure", Diagnostics: "broken"}}},
			{Line: 3, Type: "Patient", ID: "p", Stored: true, Issues: []fhirmsg.Issue{{Severity: "warning", Code: "value", Expression: "Patient.gender"}}},
		},
	}}))

	got := f.do(http.MethodGet, path, a, "")
	var m submissionManifest
	if err := json.Unmarshal([]byte(got.body), &m); err != nil || got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s (%v)", got.status, got.body, err)
	}
	if _, err := http.ParseTime(got.header.Get("Expires")); err != nil || m.SubmissionID != "s" || m.ManifestType == "" || m.TransactionTime == "" || !m.RequiresAccessToken ||
		len(m.Output) != 0 || strings.Contains(got.body, `"error":[`) || strings.Contains(got.body, `"extension"`) || len(m.Link) != 0 {
		t.Errorf("%s", got.body)
	}
	type file struct {
		manifest, name string
		counts         []severityCount
		holds          []string
	}
	want := []file{
		{one, "files-1", []severityCount{{"error", 2}, {"information", 1}}, []string{"imported in part: 1 of 2 files failed", "Patient.ndjson: 0 lines were read", "failed-Observation.ndjson: the server answered 404 Not Found"}},
		{one, "rejected-1", []severityCount{{"error", 1}}, []string{`/line","valueDecimal":2`, `/offset","valueDecimal":40`, `Patient.ndjson, line 2: broken`}},
		{one, "stored-1", []severityCount{{"warning", 1}}, []string{`"expression":["Patient.gender"]`, `operationoutcome-sourceResource","valueReference":{"reference":"Patient/p"}`}},
		{two, "files-1", []severityCount{{"information", 1}}, []string{"undone, since another manifest took its place: 4 resources were removed, 5 have an earlier version again"}},
		{three, "files-1", []severityCount{{"information", 1}}, []string{"The manifest was imported: 0 resources inserted"}},
	}
	if len(m.Outcome) != len(want) {
		t.Fatalf("%d files of outcomes: %s", len(m.Outcome), got.body)
	}
	for i, w := range want {
		o := m.Outcome[i]
		lines := f.do(http.MethodGet, strings.TrimPrefix(o.URL, f.url), a, "")
		if o.ManifestURL != w.manifest || !strings.HasSuffix(o.URL, "/"+w.name+".ndjson") || !slices.Equal(o.CountSeverity, w.counts) ||
			lines.header.Get("Content-Type") != "application/fhir+ndjson" || int64(strings.Count(lines.body, "\n")) != o.Count {
			t.Errorf("%+v: %s, want %+v", o, lines.body, w)
		}
		for _, h := range w.holds {
			if !strings.Contains(lines.body, h) {
				t.Errorf("%s lacks %s: %s", w.name, h, lines.body)
			}
		}
		if lines := f.do(http.MethodGet, strings.TrimPrefix(o.URL, f.url), b, ""); lines.status != http.StatusNotFound {
			t.Errorf("of another supplier: %d", lines.status)
		}
	}
	outcome := strings.TrimPrefix(m.Outcome[0].URL, f.url)
	for _, none := range []string{"files-2.ndjson", "files-0.ndjson", "files--1.ndjson", "files-1", "x-1.ndjson", "files-99999999999.ndjson"} {
		if got := f.do(http.MethodGet, outcome[:strings.LastIndex(outcome, "/")+1]+none, a, ""); got.status != http.StatusNotFound || got.issue() != "not-found" {
			t.Errorf("%s: %d %s", none, got.status, got.body)
		}
	}
	for _, page := range []string{"0", "2", "x"} {
		if got := f.do(http.MethodGet, path+"?page="+page, a, ""); got.status != http.StatusNotFound {
			t.Errorf("page %s: %d", page, got.status)
		}
	}
	f.removedStatus(a, b, path, outcome)
	_, err = f.Store.Pool.Exec(t.Context(), `UPDATE stoker.import SET ended = coalesce(ended, clock_timestamp()), swept = clock_timestamp(), policy = '{"keep_reports_days":7}' WHERE id = $1`, [16]byte(good))
	check(t, err)
	rejected := strings.TrimPrefix(m.Outcome[1].URL, f.url)
	if got := f.do(http.MethodGet, rejected, a, ""); got.status != http.StatusGone || !strings.Contains(got.body, "7 days") {
		t.Errorf("rejects that were removed: %d %s", got.status, got.body)
	}
}

// removedStatus removes a status URL, which another supplier cannot, and asks for it again.
func (f *fixture) removedStatus(token, other, path, outcome string) {
	f.t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if got := f.do(method, path, other, ""); got.status != http.StatusNotFound || got.issue() != "not-found" {
			f.t.Errorf("%s of another supplier: %d %s", method, got.status, got.body)
		}
	}
	if got := f.do(http.MethodDelete, path, token, ""); got.status != http.StatusAccepted {
		f.t.Errorf("DELETE: %d %s", got.status, got.body)
	}
	for _, p := range []string{path, outcome} {
		if got := f.do(http.MethodGet, p, token, ""); got.status != http.StatusNotFound || got.issue() != "not-found" {
			f.t.Errorf("%s after DELETE: %d %s", p, got.status, got.body)
		}
	}
	if again := f.watched(token); again != path {
		f.t.Errorf("asked for again: %s, and before %s", again, path)
	}
	if got := f.do(http.MethodGet, outcome, token, ""); got.status != http.StatusOK {
		f.t.Errorf("asked for again: %d %s", got.status, got.body)
	}
}

// TestSubmissionStatusDraft: who uses words of the draft is answered in them too.
func TestSubmissionStatusDraft(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.submits("", `{"name":"manifestUrl","valueString":"https://a.example/m"},{"name":"FHIRBaseUrl","valueString":"https://a.example/fhir"}`, submissionStatus(draftStatus, "in-progress"))
	f.imports("local", "https://a.example/m", "Patient.ndjson", "failed-x.ndjson")
	f.submits("", submissionStatus(draftStatus, "complete"))
	got := f.do(http.MethodGet, f.watched(""), "", "")
	var m struct {
		Outcome []struct{ ManifestURL string }
		Error   []struct {
			URL, Type string
			Extension struct {
				ManifestURL   string
				CountSeverity map[string]int64
			}
		}
		Extension struct{ SubmissionID string }
	}
	if err := json.Unmarshal([]byte(got.body), &m); err != nil || got.status != http.StatusOK || len(m.Error) != 1 || len(m.Outcome) != 1 {
		t.Fatalf("%d %s (%v)", got.status, got.body, err)
	}
	if e := m.Error[0]; m.Extension.SubmissionID != "s" || e.Extension.ManifestURL != "https://a.example/m" || e.Type != "OperationOutcome" ||
		e.Extension.CountSeverity["success"] != 1 || e.Extension.CountSeverity["error"] != 2 {
		t.Errorf("%s", got.body)
	}
}

// TestSubmissionPages: many manifests are told of in pages, and many outcomes in several files.
func TestSubmissionPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	f.reports = 2
	for i := range manifestsOfPage + 1 {
		f.submits("", manifestAt(fmt.Sprintf("https://a.example/%d", i)))
	}
	f.imports("local", "https://a.example/0", "a", "b", "c")
	f.submits("", submissionStatus(eventStatus, "stopped"))
	for i := range manifestsOfPage + 1 {
		problem := ""
		if i == 0 {
			problem = "there is no history"
		}
		check(t, f.Ledger.Undone(t.Context(), importOf("local", fmt.Sprintf("https://a.example/%d", i)), 0, 0, problem))
	}
	var all []submissionReport
	pages := 0
	for path := f.watched(""); path != ""; pages++ {
		got := f.do(http.MethodGet, path, "", "")
		var m submissionManifest
		if err := json.Unmarshal([]byte(got.body), &m); err != nil || got.status != http.StatusOK || m.SubmissionID != "s" {
			t.Fatalf("%d %s (%v)", got.status, got.body, err)
		}
		all, path = append(all, m.Outcome...), ""
		if len(m.Link) == 1 && m.Link[0].Relation == "next" {
			path = strings.TrimPrefix(m.Link[0].URL, f.url)
		}
	}
	// Two files of the manifest that could not be undone, which has three input files, and one of each of the others.
	if pages != 2 || len(all) != manifestsOfPage+2 || all[0].Count != 2 || all[1].Count != 2 || all[0].CountSeverity[0] != (severityCount{"error", 1}) {
		t.Errorf("%d pages, %d files: %+v", pages, len(all), all[:3])
	}
	var lines string
	for _, o := range all[:2] {
		lines += f.do(http.MethodGet, strings.TrimPrefix(o.URL, f.url), "", "").body
	}
	for _, want := range []string{"cannot be undone, though its submission was stopped: there is no history", "a: 0 lines", "b: 0 lines", "c: 0 lines"} {
		if !strings.Contains(lines, want) {
			t.Errorf("lacks %q: %s", want, lines)
		}
	}
}
