package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

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

// TestGivenHeader: what an import request gives counts instead of what would be got for its server, which is not asked for then.
func TestGivenHeader(t *testing.T) {
	t.Parallel()
	s, other := newSupplier(t), newSupplier(t)
	s.put("/m", fmt.Sprintf(`{"requiresAccessToken":true,"output":[{"url":"/a"},{"url":"%s/b"}]}`, other.base))
	s.put("/a", "a")
	other.put("/b", "b")
	cfg := quick()
	asked := map[string]int{}
	for _, base := range []string{s.base, other.base} {
		cfg.Credentials = append(cfg.Credentials, outbound.Credential{Prefix: base, Header: "Authorization", Value: func(context.Context) (string, error) {
			asked[base]++
			return "Bearer got", nil
		}})
	}
	for _, headers := range [][]fhirmsg.Header{nil, {{Name: "authorization", Value: "Bearer given"}}} {
		files, _, err := source.List(t.Context(), fhirmsg.Source{Manifest: s.base + "/m", Headers: headers}, cfg)
		if err != nil || len(files) != 2 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			if _, err := read(t, f, cfg); err != nil {
				t.Error(err)
			}
		}
	}
	if asked[s.base] != 2 || asked[other.base] != 2 {
		t.Errorf("asked %d times for the server of the header, and %d times for the other; want 2 and 2", asked[s.base], asked[other.base])
	}
	for _, path := range []string{"/m", "/a"} {
		if got := s.last(path).Header.Get("Authorization"); got != "Bearer given" {
			t.Errorf("%s was sent %s", path, got)
		}
	}
	if got := other.last("/b").Header.Get("Authorization"); got != "Bearer got" {
		t.Errorf("the other server was sent %s", got)
	}
}
