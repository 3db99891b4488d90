package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
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

// TestManifestSecrets: what each request carries of what was given for the manifest.
func TestManifestSecrets(t *testing.T) {
	t.Parallel()
	s, other := newSupplier(t), newSupplier(t)
	list := func(anonymous bool) string {
		return fmt.Sprintf(`{"requiresAccessToken":%v,"output":[{"url":"/a"},{"url":"%s/b"},{"url":"/strict"}],"link":[{"relation":"next","url":"%s/2"}]}`, !anonymous, other.base, other.base)
	}
	s.put("/open", list(true))
	s.put("/closed", list(false))
	other.put("/2", `{"output":[{"url":"c"}]}`)
	s.put("/a", "a")
	other.put("/b", "b")
	other.put("/c", "c")
	s.handle("/strict", func(w http.ResponseWriter, r *http.Request) { // whatever its manifest says
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "strict")
	})
	bare := []fhirmsg.Header{{Name: "X-Key", Value: "key"}}
	full := append(slices.Clone(bare), fhirmsg.Header{Name: "authorization", Value: "Bearer token"})
	withUser := strings.Replace(s.base, "http://", "http://me:secret@", 1)
	tests := []struct {
		name     string
		manifest string
		headers  []fhirmsg.Header
		first    string // Authorization with the manifest, and with /a
		own      string
	}{
		{"a token that is needed", s.base + "/closed", full, "Bearer token", "Bearer token"},
		{"a token that is not", s.base + "/open", full, "Bearer token", ""},
		{"a user in the URL", withUser + "/closed", bare, "Basic bWU6c2VjcmV0", "Basic bWU6c2VjcmV0"},
		{"a user in the URL, not needed", withUser + "/open", bare, "Basic bWU6c2VjcmV0", ""},
	}
	for _, tt := range tests {
		files, _, err := source.List(t.Context(), fhirmsg.Source{Manifest: tt.manifest, Headers: tt.headers}, quick())
		if err != nil || len(files) != 4 {
			t.Fatalf("%s: %d files, %v", tt.name, len(files), err)
		}
		for i, want := range []string{"a", "b", "strict", "c"} {
			if got, err := read(t, files[i], quick()); err != nil || got != want {
				t.Errorf("%s: got %q, %v", tt.name, got, err)
			}
			if strings.Contains(files[i].Name, "secret") || i != 1 && i != 3 && strings.Contains(files[i].Locator.URL, "secret") {
				t.Errorf("%s: %s tells the secret", tt.name, files[i].Name)
			}
		}
		u, err := url.Parse(tt.manifest)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []struct {
			request *http.Request
			want    string
		}{{s.last(u.Path), tt.first}, {s.last("/a"), tt.own}, {s.last("/strict"), tt.first}, {other.last("/b"), ""}, {other.last("/2"), ""}, {other.last("/c"), ""}} {
			if h := r.request.Header; h.Get("Authorization") != r.want || h.Get("X-Key") != "key" {
				t.Errorf("%s: %s was sent Authorization %q, X-Key %q; want %q", tt.name, r.request.URL.Path, h.Get("Authorization"), h.Get("X-Key"), r.want)
			}
		}
	}
	// Without a credential for it the refusal stands.
	files, _, err := source.List(t.Context(), fhirmsg.Source{Manifest: s.base + "/open"}, quick())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, files[2], quick()); !errors.Is(err, error(source.StatusError{Code: 401})) {
		t.Errorf("without a token: %v", err)
	}
}

// TestExpired: a file whose URL expired is where the manifest says it is now, if that is the same
// manifest.
func TestExpired(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 1000)
	list := func(time, sig, count string) string {
		return `{"transactionTime":"` + time + `","output":[{"url":"/other"},{"type":"Patient","url":"/f?sig=` + sig + `","count":` + count + `}]}`
	}
	tests := []struct {
		name  string
		code  int
		after int // bytes that are got before the URL expires
		again string
		want  string // of the error
	}{
		{"forbidden", 403, 0, list("2026-01-01T00:00:00Z", "2", "5"), ""},
		{"not found", 404, 0, list("2026-01-01T00:00:00Z", "2", "5"), ""},
		{"gone", 410, 0, list("2026-01-01T00:00:00Z", "2", "5"), ""},
		{"in the middle", 403, 5000, list("2026-01-01T00:00:00Z", "2", "5"), ""},
		{"another reason", 400, 0, list("2026-01-01T00:00:00Z", "2", "5"), "400"},
		{"the same URL", 404, 0, list("2026-01-01T00:00:00Z", "1", "5"), "404"},
		{"expired again", 404, 0, list("2026-01-01T00:00:00Z", "3", "5"), "404"},
		{"a later manifest", 404, 0, list("2026-01-02T00:00:00Z", "2", "5"), "does not list the file any more as it did"},
		{"another file", 404, 0, list("2026-01-01T00:00:00Z", "2", "6"), "does not list the file any more as it did"},
		{"no manifest", 404, 0, "<html>", "not JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSupplier(t)
			s.put("/m", list("2026-01-01T00:00:00Z", "1", "5"))
			expired := false
			s.handle("/f?sig=1", func(w http.ResponseWriter, _ *http.Request) {
				if expired || tt.after == 0 {
					w.WriteHeader(tt.code)
					return
				}
				expired = true
				w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(content)))
				w.Header().Set("Content-Length", fmt.Sprint(len(content)))
				_, _ = io.WriteString(w, content[:tt.after])
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			s.put("/f?sig=2", content)
			_, files := listing(t, s.manifest(), quick(), s.base)
			s.put("/m", tt.again)
			got, err := read(t, files[1], quick())
			if tt.want == "" && (err != nil || got != content) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "sig=")) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestManifestPolicy: nothing that a manifest names is asked for unless it is allowed.
func TestManifestPolicy(t *testing.T) {
	t.Parallel()
	s, inner := newSupplier(t), newSupplier(t)
	s.handle("/x/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
	})
	s.handle("/x/inward", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.base, http.StatusFound) })
	s.put("/x/fine", "fine")
	s.put("/x/m", `{"output":[{"url":"fine"},{"url":"redirect"},{"url":"inward"},{"url":"http://169.254.169.254/latest"},{"url":"`+inner.base+`"},{"url":"../y"}],
		"link":[{"relation":"next","url":"`+inner.base+`/2"}]}`)
	cfg := quick()
	cfg.Policy = &outbound.Policy{Prefixes: []string{s.base + "/x/", "http://169.254.169.254/"}, InternalHosts: []string{"127.0.0.1"}}
	files, _, err := source.List(t.Context(), fhirmsg.Source{Manifest: s.base + "/x/m"}, cfg)
	if err != nil || len(files) != 7 || !strings.Contains(files[6].Problem, "none of the allowed URL prefixes") {
		t.Fatalf("got %+v, %v", files, err)
	}
	for i, want := range []string{"", "link-local", "none of the allowed", "link-local", "none of the allowed", "none of the allowed"} {
		_, err := read(t, files[i], cfg)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", files[i].Name, err, want)
		}
	}
	if inner.last("/") != nil || inner.last("/2") != nil {
		t.Error("the inner server was asked")
	}
}
