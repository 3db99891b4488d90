package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// What is submitted: on what was there before, a manifest of two pages with deletions and a file that is missing; one that is
// wrong; one in its place with a line that is no resource and one with a mistake that is stored all the same.
const (
	submittedBefore = `{"resourceType":"Patient","id":"kept"}
{"resourceType":"Patient","id":"updated","gender":"male"}
{"resourceType":"Patient","id":"gone"}
`
	submittedGood = `{"resourceType":"Patient","id":"updated","gender":"female"}
{"resourceType":"Patient","id":"added"}
`
	submittedGone = `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/gone"}}]}
`
	submittedWrong = `{"resourceType":"Patient","id":"updated","gender":"other"}
{"resourceType":"Patient","id":"wrong"}
{"resourceType":"Patient","id":"kept","active":false}
`
	submittedRight = `{"resourceType":"Patient","id":"right"}
`
	submittedBroken = `{"resourceType":"Patient",
{"resourceType":"Patient","id":"warned","gender":"F"}` // and no newline at the end
)

// fileServer is a supplier's, which wants a header that the supplier tells.
func fileServer(t *testing.T) (base string) {
	t.Helper()
	manifest := func(rest string) string {
		return `{"transactionTime":"2026-01-01T00:00:00Z","requiresAccessToken":false,` + rest + `}`
	}
	answers := map[string]string{
		"/1":             manifest(`"output":[{"type":"Patient","url":"good"}],"link":[{"relation":"next","url":"1b"}]`),
		"/1b":            manifest(`"output":[{"type":"Patient","url":"missing.ndjson"}],"deleted":[{"type":"Bundle","url":"gone"}]`),
		"/2":             manifest(`"output":[{"type":"Patient","url":"wrong"}]`),
		"/3":             manifest(`"output":[{"type":"Patient","url":"right"},{"type":"Patient","url":"broken.ndjson","count":2}]`),
		"/good":          submittedGood,
		"/gone":          submittedGone,
		"/wrong":         submittedWrong,
		"/right":         submittedRight,
		"/empty":         manifest(`"output":[]`),
		"/broken.ndjson": submittedBroken,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		switch {
		case r.Header.Get("X-Key") != "hunter2":
			w.WriteHeader(http.StatusForbidden)
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = io.WriteString(w, answer)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// submitterOf is a supplier at a running stoker.
type submitterOf struct {
	t           *testing.T
	url, token  string
	id, baseURL string // of the submission, and of its files
}

func (s *submitterOf) do(method, url, body string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

func (s *submitterOf) request(more string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"submitter","valueIdentifier":{"system":"https://a.example/submitters","value":"clinic"}},
		{"name":"submissionId","valueString":"` + s.id + `"}` + more + `]}`
}

// ballot is a manifest in the words of the ballot, draft in those of the draft.
func (s *submitterOf) ballot(path string) string {
	return `,{"name":"manifestUrl","valueUrl":"` + s.baseURL + path + `"},{"name":"fhirBaseUrl","valueUrl":"https://a.example/fhir"}` + submittedHeader
}

func (s *submitterOf) draft(path string) string {
	return `,{"name":"manifestUrl","valueString":"` + s.baseURL + path + `"},{"name":"FHIRBaseUrl","valueString":"https://a.example/fhir"}` + submittedHeader
}

const submittedHeader = `,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"x-key"},{"name":"headerValue","valueString":"hunter2"}]}`

func says(system, code string) string {
	return `,{"name":"submissionStatus","valueCoding":{"system":"` + system + `","code":"` + code + `"}}`
}

// submit sends a request twice, as who got no answer would.
func (s *submitterOf) submit(more string) {
	s.t.Helper()
	for range 2 {
		if resp, body := s.do(http.MethodPost, s.url+"/fhir/$bulk-submit", s.request(more)); resp.StatusCode != http.StatusOK || strings.Contains(body, "hunter2") {
			s.t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
}

// statusURL is where the submission is watched.
func (s *submitterOf) statusURL() string {
	s.t.Helper()
	resp, body := s.do(http.MethodPost, s.url+"/fhir/$bulk-submit-status", s.request(""))
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("Content-Location") == "" {
		s.t.Fatalf("%d %s", resp.StatusCode, body)
	}
	return resp.Header.Get("Content-Location")
}

// waitUntil polls until the progress says something.
func (s *submitterOf) waitUntil(progress string) {
	s.t.Helper()
	status := s.statusURL()
	waitFor(s.t, progress, func() bool {
		resp, body := s.do(http.MethodGet, status, "")
		if resp.StatusCode != http.StatusAccepted || resp.Header.Get("Retry-After") == "" {
			s.t.Fatalf("%d %s", resp.StatusCode, body)
		}
		return strings.Contains(resp.Header.Get("X-Progress"), progress)
	})
}

type submissionFile struct {
	URL, ManifestURL string
	Count            int64
	CountSeverity    []struct {
		Code  string
		Count int64
	}
}

// outcomes polls to the end, and reads all files of the status manifest by manifest and name.
func (s *submitterOf) outcomes() (files map[string]submissionFile, lines map[string]string, body string) {
	s.t.Helper()
	status := s.statusURL()
	var resp *http.Response
	waitFor(s.t, "the submission's end", func() bool {
		resp, body = s.do(http.MethodGet, status, "")
		return resp.StatusCode != http.StatusAccepted
	})
	var m struct {
		SubmissionID string
		Outcome      []submissionFile
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || resp.StatusCode != http.StatusOK || m.SubmissionID != s.id {
		s.t.Fatalf("%d %s (%v)", resp.StatusCode, body, err)
	}
	files, lines = map[string]submissionFile{}, map[string]string{}
	for _, f := range m.Outcome {
		key := strings.TrimPrefix(f.ManifestURL, s.baseURL) + f.URL[strings.LastIndex(f.URL, "/"):]
		files[key] = f
		resp, text := s.do(http.MethodGet, f.URL, "")
		if resp.StatusCode != http.StatusOK || int64(strings.Count(text, "\n")) != f.Count {
			s.t.Errorf("%s: %d, %d of %s", key, resp.StatusCode, f.Count, text)
		}
		lines[key] = text
	}
	return files, lines, body
}

// TestBulkSubmit: two manifests, one replaced, a file that is missing and one with a bad line; then completed. A second one, in the
// words of the draft, is aborted, and the rows are those from before. Whatever was answered outlives kill -9.
func TestBulkSubmit(t *testing.T) {
	t.Parallel()
	home := pgtest.Dir(t)
	env, p := up(t, home)
	s := &submitterOf{t: t, url: strings.TrimPrefix(env[0], "STOKER_URL="), id: "first", baseURL: fileServer(t)}
	if r := stoker(t, env, "", "supplier", "add", "clinic", "--url-prefix", s.baseURL+"/", "--internal-host", "127.0.0.1", "--submitter", "https://a.example/submitters|clinic"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	r := stoker(t, env, "", "supplier", "token", "clinic")
	s.token = strings.TrimSpace(r.stdout)
	importJSON(t, env, "--supplier", "clinic", write(t, "before.ndjson", submittedBefore))

	s.submit(s.ballot("/1"))
	s.waitUntil("1 of 1 manifests done")
	s.submit(s.ballot("/2"))
	s.waitUntil("2 of 2 manifests done")
	s.submit(s.ballot("/3") + `,{"name":"replacesManifestUrl","valueUrl":"` + s.baseURL + `/2"}` + says("http://hl7.org/fhir/event-status", "completed"))
	files, lines, body := s.outcomes()
	for key, want := range map[string][]string{
		"/1/files-1.ndjson":    {"imported in part", "/good: 2 lines were read: 2 resources stored", "missing.ndjson: open: the server answered 404 Not Found", "/gone: 1 lines were read: 0 resources stored, 1 deleted"},
		"/2/files-1.ndjson":    {"undone, since another manifest took its place"},
		"/3/files-1.ndjson":    {"The manifest was imported", "/broken.ndjson: 2 lines were read: 1 resources stored, 1 rejected"},
		"/3/rejected-1.ndjson": {`/broken.ndjson, line 1`, `/line","valueDecimal":1`, `/offset","valueDecimal":0`},
		"/3/stored-1.ndjson":   {`/line","valueDecimal":2`, `/offset","valueDecimal":27`, `"expression":["Patient.gender"]`, `operationoutcome-sourceResource","valueReference":{"reference":"Patient/warned"}`},
	} {
		for _, w := range want {
			if !strings.Contains(lines[key], w) {
				t.Errorf("%s lacks %s: %s", key, w, lines[key])
			}
		}
	}
	if len(files) != 5 || strings.Contains(body, `"error":`) || files["/1/files-1.ndjson"].CountSeverity[0].Code != "error" || files["/3/rejected-1.ndjson"].CountSeverity[0].Count != 1 {
		t.Errorf("%s", body)
	}
	right := t.TempDir()
	for name, content := range map[string]string{"1.ndjson": submittedBefore, "2.ndjson": submittedGood, "3.ndjson": submittedGone, "4.ndjson": submittedRight, "5.ndjson": submittedBroken} {
		if err := os.WriteFile(filepath.Join(right, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	importJSON(t, env, "--dataset", "expected", right)
	database := databaseURL(t, env)
	before := digest(t, database, "clinic")
	if want := digest(t, database, "expected"); before != want {
		t.Errorf("digest of the submission %s, of what is right in it %s", before, want)
	}

	s.id = "second"
	const draft = "http://hl7.org/fhir/uv/bulkdata/ValueSet/submission-status"
	s.submit(s.draft("/2") + says(draft, "in-progress"))
	s.submit(s.draft("/1") + says(draft, "in-progress"))
	s.waitUntil("2 of 2 manifests done")
	if digest(t, database, "clinic") == before {
		t.Error("the second submission changed nothing")
	}
	// As the draft's provider takes one manifest back: by one without files in its place.
	s.submit(s.draft("/empty") + `,{"name":"replacesManifestUrl","valueString":"` + s.baseURL + `/1"}` + says(draft, "in-progress"))
	s.submit(says(draft, "aborted"))
	p.kill()
	env, p = up(t, home)
	s.url, database = strings.TrimPrefix(env[0], "STOKER_URL="), databaseURL(t, env)
	_, lines, body = s.outcomes()
	if !strings.Contains(lines["/2/files-1.ndjson"], "undone, since its submission was stopped") || !strings.Contains(body, `"extension":{"submissionId":"second"}`) {
		t.Errorf("%s: %v", body, lines)
	}
	if got := digest(t, database, "clinic"); got != before {
		t.Errorf("digest %s after it was stopped, before %s", got, before)
	}
	if resp, body := s.do(http.MethodPost, s.url+"/fhir/$bulk-submit", s.request(s.draft("/3"))); resp.StatusCode != http.StatusConflict {
		t.Errorf("one more after it was stopped: %d %s", resp.StatusCode, body)
	}
	if out := p.output(); strings.Contains(out, "hunter2") || strings.Contains(out, s.token) {
		t.Error("a secret is in the log")
	}
}
