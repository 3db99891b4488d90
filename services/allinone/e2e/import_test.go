package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// flakyFiles serves a folder of ndjson with a manifest of it, as the reference servers do: chunked, with a
// transient error and one with Retry-After before answers, and with a file that is listed and is not there.
func flakyFiles(t *testing.T, dir string) (base string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	output := []map[string]any{{"type": "Patient", "url": "files/not-there.ndjson"}}
	for _, name := range names {
		output = append(output, map[string]any{"url": "files/" + filepath.Base(name)})
	}
	manifest, err := json.Marshal(map[string]any{"transactionTime": "2026-01-01T00:00:00Z", "requiresAccessToken": false, "output": output, "error": []any{}})
	if err != nil {
		t.Fatal(err)
	}
	failures := make(chan func(http.ResponseWriter), 2)
	failures <- func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/fhir+json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}`)
	}
	failures <- func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "Thu, 01 Jan 2026 00:00:00 GMT")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	files := http.StripPrefix("/files/", http.FileServer(http.Dir(dir)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case fail := <-failures:
			fail(w)
			return
		default:
		}
		if r.URL.Path == "/m" {
			_ = http.NewResponseController(w).Flush() // chunked
			_, _ = w.Write(manifest)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// asked is what a request was answered.
func asked(t *testing.T, method, url, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// TestFHIRImport: $import of a static manifest gives what the folder of its files gives, once and again, with a
// report of the file that is missing.
func TestFHIRImport(t *testing.T) {
	t.Parallel()
	dir := data(t, "suppliers/smart-bulk-10")
	base := flakyFiles(t, dir)
	env := shared(t)
	folder := importJSON(t, env, dir, "--dataset", "import-folder")
	operation := strings.TrimPrefix(env[0], "STOKER_URL=") + "/fhir/pulled/$import"
	for i := range 2 {
		resp, body := asked(t, http.MethodPost, operation,
			`{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"`+base+`/m"},{"name":"exportType","valueCode":"static"}]}`)
		status := resp.Header.Get("Content-Location")
		if resp.StatusCode != http.StatusAccepted || !strings.HasPrefix(status, "http://") {
			t.Fatalf("%d, Content-Location %q: %s", resp.StatusCode, status, body)
		}
		waitFor(t, "the import's end", func() bool {
			resp, body = asked(t, http.MethodGet, status, "")
			if progress := resp.Header.Get("X-Progress"); resp.StatusCode == http.StatusAccepted && (progress == "" || resp.Header.Get("Retry-After") == "") {
				t.Errorf("under way with X-Progress %q and Retry-After %q", progress, resp.Header.Get("Retry-After"))
			}
			return resp.StatusCode != http.StatusAccepted
		})
		var m struct{ Outcome []struct{ URL string } }
		if err := json.Unmarshal([]byte(body), &m); err != nil || resp.StatusCode != http.StatusOK || len(m.Outcome) == 0 {
			t.Fatalf("%d %s (%v)", resp.StatusCode, body, err)
		}
		if _, lines := asked(t, http.MethodGet, m.Outcome[0].URL, ""); strings.Count(lines, "\n") != 1 || !strings.Contains(lines, "not-there.ndjson") {
			t.Errorf("failed files: %s", lines)
		}
		id, err := fhirmsg.ParseImportID(status[strings.LastIndex(status, "/")+1:])
		if err != nil {
			t.Fatal(err)
		}
		s := statusJSON(t, env, id)
		wantBalanced(t, "$import", s)
		r := s.Resources
		if i == 0 && r.Inserted != folder.Resources.Inserted || i == 1 && (r.Inserted != 0 || r.Updated != 0) {
			t.Errorf("import %d: %+v", i, r.Counts)
		}
		if resp, _ := asked(t, http.MethodDelete, status, ""); resp.StatusCode != http.StatusAccepted {
			t.Errorf("DELETE: %d", resp.StatusCode)
		}
		if resp, body := asked(t, http.MethodGet, status, ""); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "OperationOutcome") {
			t.Errorf("after DELETE: %d %s", resp.StatusCode, body)
		}
	}
	exported := importExported(t, env, dir, "exported")
	wantBalanced(t, "dynamic $import", exported)
	if at := exported.TransactionTime; exported.State != ledger.StateComplete || at == nil || at.Year() != 2026 {
		t.Errorf("dynamic: %s %s, transaction time %v", exported.State, exported.Reason, at)
	}
	url := databaseURL(t, env)
	for _, dataset := range []string{"pulled", "exported"} {
		if got, want := digest(t, url, dataset), digest(t, url, "import-folder"); got != want {
			t.Errorf("digest of $import, dataset %s, %s, of the folder %s", dataset, got, want)
		}
	}
}

// importExported asks by $import for an export of what a folder has, which is made by a server that takes POST only, and
// waits for its end.
func importExported(t *testing.T, env []string, dir, dataset string) ledger.Status {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var resources []exporttest.Resource
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		list, err := exporttest.Read(z)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		resources = append(resources, list...)
	}
	s := exporttest.New(t, exporttest.Options{
		Dialect: exporttest.V4, Resources: resources, PageFiles: 4, PerFile: 1000, Gzip: true, Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	})
	resp, body := asked(t, http.MethodPost, strings.TrimPrefix(env[0], "STOKER_URL=")+"/fhir/"+dataset+"/$import",
		`{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"`+s.URL+`/Group/7/$export"},{"name":"_since","valueInstant":"1900-01-01T00:00:00Z"}]}`)
	status := resp.Header.Get("Content-Location")
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	waitFor(t, "the import's end", func() bool {
		resp, _ = asked(t, http.MethodGet, status, "")
		return resp.StatusCode != http.StatusAccepted
	})
	if begun, there := s.Jobs(); begun != 1 || there != 0 {
		t.Errorf("%d exports were begun, %d are left", begun, there)
	}
	id, err := fhirmsg.ParseImportID(status[strings.LastIndex(status, "/")+1:])
	if err != nil {
		t.Fatal(err)
	}
	return statusJSON(t, env, id)
}

// TestFHIRImportOfListedFiles: the manifest form tells of each file what was stored, and its reports where what
// is wrong is.
func TestFHIRImportOfListedFiles(t *testing.T) {
	t.Parallel()
	const good, warned, broken = `{"resourceType":"Patient","id":"p1"}`, `{"resourceType":"Patient","id":"p2","gender":"F"}`, `{"resourceType":`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/Patient.ndjson" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, good+"\n"+warned+"\n"+broken+"\n")
	}))
	t.Cleanup(server.Close)
	env := shared(t)
	input := `{"type":"Patient","url":"` + server.URL + `/Patient.ndjson?signature=x"},{"type":"Patient","url":"` + server.URL + `/gone.ndjson"}`
	resp, body := asked(t, http.MethodPost, strings.TrimPrefix(env[0], "STOKER_URL=")+"/fhir/$import", `{"inputFormat":"application/fhir+ndjson","input":[`+input+`]}`)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	status := resp.Header.Get("Content-Location")
	waitFor(t, "the import's end", func() bool {
		resp, body = asked(t, http.MethodGet, status, "")
		return resp.StatusCode != http.StatusAccepted
	})
	type file struct {
		URL, InputURL string
		Count         int64
	}
	var m struct{ Outcome, Output, Error []file }
	if err := json.Unmarshal([]byte(body), &m); err != nil || len(m.Outcome) != 3 || len(m.Output) != 2 || len(m.Error) != 1 {
		t.Fatalf("%d %s (%v)", resp.StatusCode, body, err)
	}
	if m.Output[0].InputURL != server.URL+"/Patient.ndjson?signature=x" || m.Output[0].Count != 2 || m.Output[1].Count != 0 || m.Error[0].InputURL != server.URL+"/gone.ndjson" {
		t.Errorf("%s", body)
	}
	for i, want := range [][]string{
		{"404 Not Found", "/gone.ndjson"},
		{"/Patient.ndjson", `/line","valueDecimal":3`, fmt.Sprintf(`/offset","valueDecimal":%d`, len(good)+len(warned)+2)},
		{`/line","valueDecimal":2`, `operationoutcome-sourceResource","valueReference":{"reference":"Patient/p2"}`, `"expression":["Patient.gender"]`},
	} {
		resp, lines := asked(t, http.MethodGet, m.Outcome[i].URL, "")
		if resp.Header.Get("Content-Type") != "application/fhir+ndjson" || int64(strings.Count(lines, "\n")) != m.Outcome[i].Count || m.Outcome[i].Count != 1 {
			t.Errorf("%s: %d of %s", m.Outcome[i].URL, m.Outcome[i].Count, lines)
		}
		for _, w := range want {
			if !strings.Contains(lines, w) {
				t.Errorf("%s lacks %s: %s", m.Outcome[i].URL, w, lines)
			}
		}
	}
}
