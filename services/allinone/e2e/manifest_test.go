package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// gone deletes a patient that there is not.
const gone = `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/not-there"}}]}` + "\n"

// bulkFiles serves a folder of ndjson with a manifest of it, for who has the token.
func bulkFiles(t *testing.T, dir string) (base string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	type file struct {
		URL   string `json:"url"`
		Count int64  `json:"count"`
	}
	var output []file
	for i, name := range names {
		count, err := countLines(name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			count += 7 // which is wrong
		}
		output = append(output, file{URL: "files/" + filepath.Base(name), Count: count})
	}
	page := func(v map[string]any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	half := len(output) / 2
	answers := map[string][]byte{
		"/m": page(map[string]any{
			"transactionTime": "2026-01-01T00:00:00Z", "requiresAccessToken": true, "output": output[:half],
			"error": []file{{URL: "problems", Count: 1}}, "link": []map[string]string{{"relation": "next", "url": "/2"}},
		}),
		"/2": page(map[string]any{
			"transactionTime": "2026-01-01T00:00:00Z", "requiresAccessToken": true, "output": output[half:], "deleted": []file{{URL: "gone", Count: 1}},
		}),
		"/problems": []byte(`{"resourceType":"OperationOutcome","issue":[]}` + "\n"),
		"/gone":     []byte(gone),
	}
	files := http.StripPrefix("/files/", http.FileServer(http.Dir(dir)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		switch {
		case r.Header.Get("Authorization") != "Bearer t":
			w.WriteHeader(http.StatusUnauthorized)
		case ok:
			_, _ = w.Write(answer)
		default:
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestImportManifest: the files that a manifest lists give what the folder of them gives, once and
// again; its deletions are tombstones; its outcomes and wrong counts are shown.
func TestImportManifest(t *testing.T) {
	t.Parallel()
	dir := data(t, "suppliers/smart-bulk-10")
	base := bulkFiles(t, dir)
	own := t.TempDir()
	token, deletions := filepath.Join(own, "token"), filepath.Join(own, "gone.ndjson")
	for name, content := range map[string]string{token: "Authorization: Bearer t\n", deletions: gone} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := shared(t)
	folder := importJSON(t, env, dir, deletions, "--dataset", "manifest-folder", "--mode", "sync")
	for i := range 2 {
		s := importJSON(t, env, "--manifest", base+"/m", "--header", "@"+token, "--mode", "sync", "--dataset", "manifest")
		wantBalanced(t, "manifest", s)
		r := s.Resources
		want := ledger.Counts{Deleted: 1, Inserted: folder.Resources.Inserted}
		if i == 1 {
			want = ledger.Counts{Deleted: 1, Unchanged: folder.Resources.Inserted}
		}
		if s.State != ledger.StateComplete || s.Lines.Control != 1 || r.Deleted+r.Unchanged+r.Stale != want.Deleted+want.Unchanged || r.Inserted != want.Inserted {
			t.Errorf("import %d: %s %s, control %d, %+v", i, s.State, s.Reason, s.Lines.Control, r.Counts)
		}
		for n, f := range s.Files {
			if f.Differs != (n == 0) {
				t.Errorf("%s differs: %v", f.Name, f.Differs)
			}
		}
		if out := stoker(t, env, "", "status", s.Import.String()).stdout; !strings.Contains(out, "outcomes, not stored") || !strings.Contains(out, "another number of resources") {
			t.Errorf("status does not show outcomes and counts:\n%s", out)
		}
	}
	url := databaseURL(t, env)
	if got, want := digest(t, url, "manifest"), digest(t, url, "manifest-folder"); got != want {
		t.Errorf("digest of the manifest %s, of the folder %s", got, want)
	}
	refused := importJSON(t, env, "--manifest", base+"/m", "--mode", "sync", "--dataset", "manifest")
	if refused.State != ledger.StateFailed || len(refused.Files) != 1 || !strings.Contains(refused.Files[0].Reason, "401") {
		t.Errorf("without a token: %s, %+v", refused.State, refused.Files)
	}
}
