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

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// write makes a file in a folder of its own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// retryJSON retries an import with --json and returns the account.
func retryJSON(t *testing.T, env []string, id fhirmsg.ImportID, args ...string) ledger.Status {
	t.Helper()
	r := stoker(t, env, "", append([]string{"retry", "--json", id.String()}, args...)...)
	var s ledger.Status
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("retry %v ended with %d, and not with JSON: %v\n%s\n%s", args, r.code, err, r.stdout, r.stderr)
	}
	wantBalanced(t, "retry", s)
	return s
}

// someInvalid has lines, and Bundles with entries that refer to each other, of which some are not
// valid; one line is not JSON at all.
const someInvalid = `{"resourceType":"Patient","id":"good"}
{"resourceType":"Patient","id":"bad","gender":"f"}
{"resourceType":"Patient","id":"worse","birthDate":"2020-13-01"}
not JSON

{"resourceType":"Patient","id":"twice","gender":"f"}
{"resourceType":"Patient","id":"twice","gender":"male"}
{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Patient","gender":"m"},"request":{"method":"POST","url":"Patient"}},{"fullUrl":"urn:uuid:22222222-2222-4222-8222-222222222222","resource":{"resourceType":"Condition","context":{"reference":"Encounter/1"},"subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}},"request":{"method":"POST","url":"Condition"}},{"resource":{"resourceType":"Observation","id":"fine","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}},"request":{"method":"PUT","url":"Observation/fine"}},{"resource":{"resourceType":"Patient","id":"p"},"request":{"method":"PATCH","url":"Patient/p"}}]}
{"resourceType":"Bundle","type":"history","entry":[{"fullUrl":"https://example.org/Patient/h","resource":{"resourceType":"Patient","gender":"new"},"request":{"method":"PUT","url":"Patient/h"},"response":{"status":"200","lastModified":"2021-01-01T00:00:00Z"}},{"resource":{"resourceType":"Patient","id":"h","gender":"old"},"request":{"method":"PUT","url":"Patient/h"},"response":{"status":"200","lastModified":"2020-01-01T00:00:00Z"}}]}
`

const aDocument = `{
  "resourceType": "Patient",
  "id": "document",
  "gender": "other thing"
}
`

// TestRetry: what strict rejected and a retry stores is what warn would have stored at once, under
// the version it would have had. A resource that came in between is not overwritten.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"overwrite", "sync"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			env := shared(t)
			folder := t.TempDir()
			for name, content := range map[string]string{
				"1.ndjson": strings.ReplaceAll(someInvalid, "\n", "\r\n"), "2.json": aDocument, "3.ndjson": `{"resourceType":"Patient","id":"last"}`,
			} {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			newer := write(t, "newer.ndjson", `{"resourceType":"Patient","id":"bad","gender":"female"}`)
			url, plain, warned := databaseURL(t, env), "retry-"+mode, "retry-warned-"+mode

			importJSON(t, env, "--dataset", warned, "--mode", mode, "--validation", "warn", folder)
			importJSON(t, env, "--dataset", warned, "--mode", mode, newer)
			want := digest(t, url, warned)

			original := importJSON(t, env, "--dataset", plain, "--mode", mode, "--validation", "strict", folder)
			wantBalanced(t, "strict", original)
			if original.Lines.Rejected != 5 || original.Resources.Rejected != 5 {
				t.Errorf("strict: lines %+v, resources %+v; want 5 lines and 5 entries rejected", original.Lines, original.Resources)
			}
			importJSON(t, env, "--dataset", plain, "--mode", mode, newer)

			s := retryJSON(t, env, original.Import, "--validation", "warn")
			if s.State != ledger.StateComplete || s.Lines.Read != 10 || s.Lines.Rejected != 1 || s.Resources.Rejected != 1 || s.Validation != fhirmsg.ValidationWarn {
				t.Errorf("retry: %s, validation %s, lines %+v, resources %+v", s.State, s.Validation, s.Lines, s.Resources)
			}
			if got := digest(t, url, plain); got != want {
				t.Errorf("digest after the retry %s, with warn at once %s", got, want)
			}
			if s.RetryOf == nil || *s.RetryOf != original.Import || len(s.Files) != 2 || s.Files[0].Name != "1.ndjson" {
				t.Errorf("retry of %v, files %+v", s.RetryOf, s.Files)
			}
			again := retryJSON(t, env, original.Import)
			if again.Validation != fhirmsg.ValidationStrict || again.Lines.Rejected != 5 {
				t.Errorf("strict retry: validation %s, lines %+v", again.Validation, again.Lines)
			}
			third := retryJSON(t, env, original.Import, "--validation", "off")
			if third.Resources.Inserted+third.Resources.Updated != 0 {
				t.Errorf("third retry: %+v; want nothing changed", third.Resources)
			}
			if got := digest(t, url, plain); got != want {
				t.Errorf("digest after three retries %s, with warn at once %s", got, want)
			}
			out := stoker(t, env, "", "status", original.Import.String()).stdout
			for _, want := range []string{"import " + s.Import.String(), "import " + third.Import.String(), "Condition.context", "FIRST AT"} {
				if !strings.Contains(out, want) {
					t.Errorf("status of the original lacks %q:\n%s", want, out)
				}
			}
			checkPlaces(t, env, original.Import, s.Import)
			if r := stoker(t, env, "", "retry", s.Import.String(), "--validation", "lax"); r.code != 2 {
				t.Errorf("an unknown validation ended with %d: %s", r.code, r.stderr)
			}
		})
	}
}

// checkPlaces: what a retry rejects or reports is where it was in the original's files.
func checkPlaces(t *testing.T, env []string, original, retry fhirmsg.ImportID) {
	t.Helper()
	places := func(args ...string) map[string]bool {
		set := map[string]bool{}
		for line := range strings.Lines(stoker(t, env, "", args...).stdout) {
			var o struct {
				Extension []struct {
					URL          string
					ValueString  string
					ValueDecimal int64
				}
			}
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			place := ""
			for _, e := range o.Extension {
				if name := filepath.Base(e.URL); name != "import" && name != "stored" {
					place += fmt.Sprint(name, " ", e.ValueString, e.ValueDecimal, " ")
				}
			}
			set[place] = true
		}
		return set
	}
	before, after := places("rejects", original.String()), places("issues", retry.String())
	if len(before) != 10 {
		t.Errorf("%d rejects of the original, want 10", len(before))
	}
	for place := range before {
		if !after[place] {
			t.Errorf("the retry says nothing of %s", place)
		}
	}
}

// TestMaxRejects: an import of which too much is rejected pauses with a diagnosis, and goes on
// without a limit when it is resumed.
func TestMaxRejects(t *testing.T) {
	t.Parallel()
	env := shared(t)
	var content strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&content, "{\"resourceType\":\"Condition\",\"id\":\"c%d\",\"subject\":{\"reference\":\"Patient/1\"},\"context\":{\"reference\":\"Encounter/1\"}}\n", i)
	}
	// The file stops in the middle until the import is no longer fetched.
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		half := content.Len() / 2
		if r.Header.Get("Range") == "" {
			w.Header().Set("Content-Length", fmt.Sprint(content.Len()))
			_, _ = w.Write([]byte(content.String()[:half]))
			_ = http.NewResponseController(w).Flush()
			<-release
			_, _ = w.Write([]byte(content.String()[half:]))
			return
		}
		var from int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, content.Len()-1, content.Len()))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte(content.String()[from:]))
	}))
	t.Cleanup(server.Close)
	t.Cleanup(free)

	r := stoker(t, env, "", "import", "--dataset", ownDataset(t), "--json", "--validation", "strict", "--chunk-size", "4096", server.URL+"/Condition.ndjson")
	free()
	var s ledger.Status
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	for _, want := range []string{" lines were rejected (limit 10 %). These look like STU3: ", " × Condition.context, which R4 calls encounter", "stoker import --resume " + s.Import.String()} {
		if !strings.Contains(s.Reason, want) {
			t.Errorf("the reason lacks %q: %s", want, s.Reason)
		}
	}
	if s.State != ledger.StatePaused || r.code != 4 {
		t.Fatalf("%s, exit code %d; want paused, 4", s.State, r.code)
	}
	r = stoker(t, env, "", "import", "--json", "--resume", s.Import.String())
	s = ledger.Status{}
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	wantBalanced(t, "resumed", s)
	if s.State != ledger.StateComplete || s.Lines.Rejected != 3000 || s.Reason != "" {
		t.Errorf("resumed: %s (%s), lines %+v", s.State, s.Reason, s.Lines)
	}
}
