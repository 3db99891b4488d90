package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// supplier is a server with manifests and files, by path and query.
type supplier struct {
	base string

	mu     sync.Mutex
	answer map[string]http.HandlerFunc
	asked  []*http.Request
}

func newSupplier(t *testing.T) *supplier {
	t.Helper()
	s := &supplier{answer: map[string]http.HandlerFunc{}}
	s.base = serve(t, s)
	return s
}

func (s *supplier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	answer := s.answer[r.URL.RequestURI()]
	if answer == nil {
		answer = s.answer[r.URL.Path]
	}
	s.mu.Unlock()
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

// put sets what is at a path.
func (s *supplier) put(path, content string) {
	s.handle(path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(content)))
		_, _ = io.WriteString(w, content)
	})
}

func (s *supplier) handle(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[path] = h
}

// last returns the last request for a path.
func (s *supplier) last(path string) *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.asked) {
		if r.URL.Path == path {
			return r
		}
	}
	return nil
}

func (s *supplier) manifest() fhirmsg.Source { return fhirmsg.Source{Manifest: s.base + "/m"} }

// listing is the list of a manifest in short.
func listing(t *testing.T, s fhirmsg.Source, cfg source.Config, base string) (lines []string, files []source.File) {
	t.Helper()
	files, skipped, err := source.List(t.Context(), s, cfg)
	if err != nil {
		return []string{"error: " + err.Error()}, nil
	}
	for _, f := range files {
		stored, err := json.Marshal(f.Locator)
		if err != nil {
			t.Fatal(err)
		}
		var again source.Locator
		if err := json.Unmarshal(stored, &again); err != nil || !cmp.Equal(again, f.Locator) {
			t.Errorf("%s: locator is read as %+v, %v", f.Name, again, err)
		}
		line := strings.TrimPrefix(f.Name, base)
		if f.Problem != "" {
			lines = append(lines, line+": "+strings.ReplaceAll(f.Problem, base, ""))
			continue
		}
		if f.Kind != manifest.Resources {
			line += " " + string(f.Kind)
		}
		if f.Type != "" {
			line += " " + f.Type
		}
		if f.Count != nil {
			line += fmt.Sprintf(" count %d", *f.Count)
		}
		if f.AsOf != nil {
			line += fmt.Sprintf(" at %d", *f.AsOf/1e6)
		}
		lines = append(lines, line)
	}
	for _, s := range skipped {
		lines = append(lines, "skipped "+strings.TrimPrefix(s.Name, base)+": "+s.Reason)
	}
	return lines, files
}

func read(t *testing.T, f source.File, cfg source.Config) (string, error) {
	t.Helper()
	r, err := source.Open(t.Context(), f, cfg)
	if err != nil {
		return "", err
	}
	defer closeReader(t, r)
	b, err := io.ReadAll(r)
	return string(b), err
}

// TestManifest: all pages, in the order that they are to be processed in.
func TestManifest(t *testing.T) {
	t.Parallel()
	s := newSupplier(t)
	s.put("/m", `{"transactionTime":"1970-01-01T00:01:00Z","requiresAccessToken":false,
		"deleted":[{"type":"Bundle","url":"gone?sig=secret","count":2}],"error":[{"type":"OperationOutcome","url":"problems"}],
		"output":[{"type":"Patient","url":"a","count":1},{"type":"Patient","url":"a"},{"url":"b"},{"url":"gone?sig=secret"},{"type":"x"}],
		"link":[{"relation":"next","url":"/pages/2"}]}`)
	s.put("/pages/2", `{"transactionTime":"1970-01-01T00:02:00Z","output":[{"type":"Bundle","url":"a"},{"type":"Patient","url":"/a"},{"type":"no\u0000type","url":"//`+
		strings.TrimPrefix(s.base, "http://")+`/c"}],"link":[{"relation":"next","url":"#closed"}]}`)
	from := s.manifest()
	from.Type = "Declared"
	got, files := listing(t, from, quick(), s.base)
	want := []string{
		"/a Patient count 1 at 60", "/b Declared at 60", "/gone Declared at 60", "/m: output[4].url: missing",
		"/gone deleted count 2 at 60", "/problems outcome at 60",
		"/pages/a Bundle at 120", "/c Declared at 120",
		"skipped /a: the manifest lists it a second time", "skipped /a: the manifest lists it a second time",
		"skipped /pages/2: the manifests end here; their supplier begins anew elsewhere",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.put("/b", "content")
	if content, err := read(t, files[1], quick()); err != nil || content != "content" {
		t.Errorf("got %q, %v", content, err)
	}
	if accept := s.last("/m").Header.Get("Accept"); !strings.HasPrefix(accept, "application/json") {
		t.Errorf("asked for a manifest as %q", accept)
	}
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestManifestPages: manifests as they come, and as hostile suppliers make them.
func TestManifestPages(t *testing.T) {
	t.Parallel()
	page := func(next string) string {
		return `{"output":[{"url":"/a"}],"link":[{"relation":"next","url":"` + next + `"}]}`
	}
	tests := []struct {
		name  string
		serve func(s *supplier)
		want  []string
	}{
		{"compressed", func(s *supplier) {
			s.put("/m", string(zipped(t, []byte(`{"output":[{"url":"/a"}]}`))))
		}, []string{"/a"}},
		{"pending", func(s *supplier) { s.put("/m", page("#pending")) }, []string{"/a"}},
		{"moved", func(s *supplier) {
			s.handle("/m", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/deep/m", http.StatusSeeOther) })
			s.put("/deep/m", `{"output":[{"url":"a"}]}`)
		}, []string{"/deep/a"}},
		{"empty", func(s *supplier) { s.put("/m", `{"output":[]}`) }, nil},
		{"missing", func(*supplier) {}, []string{"/m: the server answered 404 Not Found"}},
		{"not complete", func(s *supplier) {
			s.handle("/m", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
		}, []string{"/m: the server answered 202 Accepted: the manifest is not complete yet"}},
		{"HTML", func(s *supplier) { s.put("/m", "<html>") }, []string{"/m: manifest: not JSON at byte 1"}},
		{"missing page", func(s *supplier) { s.put("/m", page("/2")) }, []string{"/a", "/2: the server answered 404 Not Found"}},
		{"next elsewhere", func(s *supplier) { s.put("/m", page("file:///etc/passwd")) }, []string{"/m: manifest: link[0].url: not an http or https URL"}},
		{"itself", func(s *supplier) { s.put("/m", page("/m#again")) }, []string{"/a", "/m: the manifests that follow each other lead back to this one"}},
		{"in a circle", func(s *supplier) {
			s.put("/m", page("/2"))
			s.put("/2", `{"output":[{"url":"/b"}],"link":[{"relation":"next","url":"/m"}]}`)
		}, []string{"/a", "/b", "/m: the manifests that follow each other lead back to this one"}},
		{"too large", func(s *supplier) {
			s.handle("/m", func(w http.ResponseWriter, _ *http.Request) {
				_ = http.NewResponseController(w).Flush()
				for range manifest.MaxSize>>20 + 1 {
					_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
				}
			})
		}, []string{"/m: the answer is larger than allowed"}},
		{"a bomb", func(s *supplier) {
			s.put("/m", string(zipped(t, bytes.Repeat([]byte(" "), manifest.MaxSize+100))))
		}, []string{"/m: manifest: more than 33554432 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSupplier(t)
			tt.serve(s)
			got, _ := listing(t, s.manifest(), quick(), s.base)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEndlessManifests: always another page, always more files, and names that no index takes.
func TestEndlessManifests(t *testing.T) {
	t.Parallel()
	s := newSupplier(t)
	s.handle("/m", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"output":[],"link":[{"relation":"next","url":"/m?`+r.URL.RawQuery+`i"}]}`)
	})
	want := []string{"/m: more than 1000 manifests follow each other"}
	if got, _ := listing(t, s.manifest(), quick(), s.base); !cmp.Equal(got, want) || len(s.asked) != 1000 {
		t.Errorf("pages: got %d lines after %d requests", len(got), len(s.asked))
	}
	s.handle("/m", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	hurried := quick()
	hurried.ListTime = 50 * time.Millisecond
	want = []string{"/m: the manifests were not read within 50ms"}
	if got, _ := listing(t, s.manifest(), hurried, s.base); !cmp.Equal(got, want) {
		t.Errorf("time: got %v", got)
	}
	many := `{"output":[` + strings.Repeat(`{},`, manifest.MaxFiles/2) + `{"url":"x"}],"link":[{"relation":"next","url":"/2"}]}`
	s.put("/m", many)
	s.put("/2", many)
	got, _ := listing(t, s.manifest(), quick(), s.base)
	if last := got[len(got)-1]; len(got) != manifest.MaxFiles/2+2 || last != "/2: more than 100000 files in the manifests that follow each other" {
		t.Errorf("files: got %d lines, the last %q", len(got), last)
	}
	long := `{"url":"/` + strings.Repeat("x", 3000) + `"}`
	s.put("/m", `{"output":[`+long+","+long+`]}`)
	files, skipped, err := source.List(t.Context(), s.manifest(), quick())
	if err != nil || len(files) != 1 || len(skipped) != 1 || len(files[0].Name) > 1100 || len(skipped[0].Name) > 1100 {
		t.Errorf("names: got %d files, %d skipped, %v", len(files), len(skipped), err)
	}
}
