package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

func TestPermanentRefusals(t *testing.T) {
	t.Parallel()
	for _, code := range []int{204, 300, 304, 400, 401, 403, 404, 410, 412, 451} {
		s := &site{before: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(code)
			return true
		}}
		_, err := download(t, serve(t, s), quick())
		var status source.StatusError
		if !errors.As(err, &status) || status.Code != code || s.asked() != 1 {
			t.Errorf("%d: got %v after %d requests, want the code after 1", code, err, s.asked())
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint(code)) {
			t.Errorf("%d: %v does not tell the code", code, err)
		}
	}
}

// TestRefusedInTheMiddle: a file that vanishes while it is fetched.
func TestRefusedInTheMiddle(t *testing.T) {
	t.Parallel()
	content := noise(10_000)
	s := &site{traits: traits{etag: `"a"`, ranges: true}, content: content, cut: func(int) int { return 5000 }}
	s.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > 0 {
			w.WriteHeader(http.StatusGone)
		}
		return n > 0
	}
	got, err := download(t, serve(t, s), quick())
	if !errors.Is(err, error(source.StatusError{Code: 410})) || !bytes.Equal(got, content[:5000]) {
		t.Errorf("got %d bytes, %v; want 5000, 410", len(got), err)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	const s = time.Second
	tests := []struct {
		name       string
		code       int
		retryAfter string
		refusals   int
		want       []time.Duration
		fails      bool
	}{
		{"429, seconds", 429, "7", 1, []time.Duration{7 * s}, false},
		{"429, date", 429, now.Add(90 * s).Format(http.TimeFormat), 1, []time.Duration{90 * s}, false},
		{"429, date in the past", 429, now.Add(-90 * s).Format(http.TimeFormat), 1, nil, false},
		{"429, longer than allowed", 429, "86400", 1, []time.Duration{100 * s}, false},
		{"503, seconds", 503, "3", 2, []time.Duration{3 * s, 3 * s}, false},
		{"429, nothing", 429, "", 1, nil, false},
		{"429, nonsense", 429, "soon", 3, []time.Duration{s / 2, s}, false},
		{"500, each wait is longer", 500, "", 7, []time.Duration{s / 2, 1 * s, 2 * s, 4 * s, 8 * s, 16 * s}, false},
		{"502, less than the wait", 502, "1", 5, []time.Duration{1 * s, 1 * s, 1 * s, 2 * s, 4 * s}, false},
		{"504, forever", 504, "1", 1000, []time.Duration{1 * s, 1 * s, 1 * s, 2 * s, 4 * s, 8 * s, 16 * s}, true},
		{"408", 408, "", 1, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &site{content: noise(100), before: func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n >= tt.refusals {
					return false
				}
				w.Header().Set("Date", now.Format(http.TimeFormat))
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.code)
				return true
			}}
			var w waits
			got, err := download(t, serve(t, s), source.Config{Sleep: w.sleep, Now: func() time.Time { return now }, MaxWait: 100 * time.Second})
			if !slices.Equal(w.all, tt.want) {
				t.Errorf("waited %v, want %v", w.all, tt.want)
			}
			if !tt.fails && (err != nil || len(got) != 100) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if tt.fails && (!errors.Is(err, error(source.StatusError{Code: tt.code})) || s.asked() != 8) {
				t.Errorf("got %v after %d requests, want %d after 8", err, s.asked(), tt.code)
			}
		})
	}
}

// TestProgressCounts: attempts are limited only while they bring nothing new.
func TestProgressCounts(t *testing.T) {
	t.Parallel()
	s := &site{traits: traits{etag: `"a"`, ranges: true}, content: noise(10_000), cut: func(int) int { return 500 }}
	got, err := download(t, serve(t, s), source.Config{Attempts: 2, Sleep: new(waits).sleep})
	if err != nil || !bytes.Equal(got, s.content) {
		t.Errorf("got %d bytes after %d requests, %v", len(got), s.asked(), err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	s := &site{content: noise(100)}
	mux := http.NewServeMux()
	mux.Handle("/file", s)
	to := func(target string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Location"] = []string{target}
			w.WriteHeader(http.StatusFound)
		}
	}
	for i := range 7 {
		mux.Handle(fmt.Sprintf("/%d", i+1), to(fmt.Sprintf("%d", i)))
	}
	mux.Handle("/0", to("/file"))
	mux.Handle("/loop", to("/loop"))
	mux.Handle("/local", to("file:///etc/passwd"))
	mux.Handle("/nowhere", to(""))
	mux.Handle("/bad", to("http://%zz/secret"))
	base := serve(t, mux)
	for path, fine := range map[string]bool{
		"/0": true, "/4": true, "/5": false, "/loop": false, "/local": false, "/nowhere": false, "/bad": false,
	} {
		var w waits
		got, err := download(t, base+path, source.Config{Sleep: w.sleep})
		if fine && (err != nil || len(got) != 100) || !fine && err == nil || len(w.all) != 0 {
			t.Errorf("%s: got %d bytes, %v after %d waits, want success: %v", path, len(got), err, len(w.all), fine)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: tells where it was to lead: %v", path, err)
		}
	}
	for _, code := range []int{301, 302, 303, 307, 308} {
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", base+"/file")
			w.WriteHeader(code)
		}))
		if got, err := download(t, url, quick()); err != nil || len(got) != 100 {
			t.Errorf("%d: got %d bytes, %v", code, len(got), err)
		}
	}
}

// TestCredentials: they go to the server that they are for, and to no other.
func TestCredentials(t *testing.T) {
	t.Parallel()
	other := &site{content: noise(10)}
	otherURL := serve(t, other)
	own := &site{content: noise(20), before: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "me" || password != "p@ss":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/away":
			http.Redirect(w, r, otherURL+"/file", http.StatusFound)
		case r.URL.Path == "/here":
			http.Redirect(w, r, "http://"+r.Host+"/file", http.StatusFound)
		default:
			return false
		}
		return true
	}}
	u, err := url.Parse(serve(t, own))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("me", "p@ss")
	for path, size := range map[string]int{"/file": 20, "/here": 20, "/away": 10} {
		if got, err := download(t, u.String()+path+"?token=secret", quick()); err != nil || len(got) != size {
			t.Errorf("%s: got %d bytes, %v; want %d", path, len(got), err, size)
		}
	}
	for _, h := range other.requests {
		if h.Get("Authorization") != "" || h.Get("Referer") != "" || h.Get("Cookie") != "" {
			t.Errorf("the other server was told %v", h)
		}
	}
}

// TestUntrustedServer: no second attempt would change it.
func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(&site{content: noise(10)})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	var w waits
	if _, err := download(t, server.URL, source.Config{Sleep: w.sleep}); err == nil || len(w.all) != 0 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v after %d waits, want an error of the certificate at once", err, len(w.all))
	}
}

// TestErrorsTellNothing: neither secrets of the URL nor anything that a server sent.
func TestErrorsTellNothing(t *testing.T) {
	t.Parallel()
	raw := func(answer string) string { // an answer that is no HTTP
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		}))
	}
	status := func(code int) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "secret", code)
		}))
	}
	for name, base := range map[string]string{
		"closed":         "http://127.0.0.1:1",
		"404":            status(404),
		"500":            status(500),
		"not HTTP":       raw("{\"resourceType\":\"Patient\",\"id\":\"secret\"}\n"),
		"bad status":     raw("HTTP/1.1 secret OK\r\n\r\n"),
		"bad header":     raw("HTTP/1.1 200 OK\r\nsecret\r\n\r\n"),
		"bad length":     raw("HTTP/1.1 200 OK\r\nContent-Length: secret\r\n\r\n"),
		"bad chunks":     raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n"),
		"bad encoding":   raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: secret\r\n\r\n"),
		"nothing":        raw(""),
		"no length":      raw("HTTP/1.1 200 OK\r\n\r\nsecret"),
		"content coding": raw("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Encoding: secret\r\n\r\nsecret"),
		"redirect":       raw("HTTP/1.1 302 Found\r\nLocation: ftp://secret/?secret\r\n\r\n"),
	} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.RawQuery, u.Fragment = url.UserPassword("secret", "secret"), "sig=secret", "secret"
		_, err = download(t, u.String(), quick())
		if err == nil {
			t.Errorf("%s: got no error", name)
		} else if strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("%s: tells the secret: %v", name, err)
		}
	}
}

// TestContentEncoding: bytes that a server compressed are taken as they come, as gzip.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(noise(1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for encoding, fine := range map[string]bool{"gzip": true, "GZIP": true, "zstd": true, "br": false, "gzip, br": false} {
		s := &site{content: packed.Bytes(), before: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Encoding", encoding)
			return false
		}}
		got, err := download(t, serve(t, s), quick())
		if fine && (err != nil || !bytes.Equal(got, s.content)) || !fine && err == nil {
			t.Errorf("%s: got %d bytes, %v; want success: %v", encoding, len(got), err, fine)
		}
	}
}

// TestHijackedCut closes the connection itself, within the body and within the header.
func TestHijackedCut(t *testing.T) {
	t.Parallel()
	content := noise(50_000)
	whole := fmt.Sprintf("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %d\r\n\r\n%s", len(content), content)
	for _, cut := range []int{0, 1, 20, 70, 71, 1000, len(whole) - 1, len(whole)} {
		var asked atomic.Int32
		s := &site{traits: traits{etag: `"a"`, ranges: true}, content: content}
		s.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
			asked.Add(1)
			if n > 0 {
				return false
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return true
			}
			_, _ = conn.Write([]byte(whole[:cut]))
			_ = conn.Close()
			return true
		}
		got, err := download(t, serve(t, s), quick())
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("cut at %d: got %d bytes after %d requests, %v", cut, len(got), asked.Load(), err)
		}
	}
}

// TestPolicy: a file that the policy does not allow fails at once, in words that say why; redirects
// and ranges pass it too.
func TestPolicy(t *testing.T) {
	t.Parallel()
	other := serve(t, &site{content: noise(10)})
	s := &site{traits: traits{etag: `"a"`, ranges: true}, content: noise(10_000), cut: func(int) int { return 4000 }}
	s.before = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 0 && r.URL.Path == "/moved" {
			http.Redirect(w, r, other+"/secret", http.StatusFound)
			return true
		}
		return false
	}
	base := serve(t, s)
	allowed := &outbound.Policy{Prefixes: []string{base}, InternalHosts: []string{"127.0.0.1"}}
	tests := []struct {
		name   string
		url    string
		policy *outbound.Policy
		want   string // of the error
	}{
		{"allowed", base + "/file", allowed, ""},
		{"no prefix", base + "/file", &outbound.Policy{InternalHosts: []string{"127.0.0.1"}}, "none of the allowed URL prefixes"},
		{"internal", base + "/file", &outbound.Policy{Prefixes: []string{base}}, "loopback"},
		{"moved in the middle", base + "/moved", allowed, "none of the allowed URL prefixes"},
	}
	for _, tt := range tests {
		var w waits
		_, err := download(t, tt.url, source.Config{Policy: tt.policy, Sleep: w.sleep})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || len(w.all) != 0) {
			t.Errorf("%s: got %v after %d waits, want %q", tt.name, err, len(w.all), tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: tells where it was to lead: %v", tt.name, err)
		}
	}
}

// TestSlowServer: slowness is no reason to ask again.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	s := &site{content: noise(1000), before: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Content-Length", "1000")
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for range 1000 {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return true
			case <-ticker.C:
			}
		}
		return true
	}}
	cfg := quick()
	cfg.HTTP = outbound.Config{IdleTimeout: 4 * time.Second, MinRate: 1 << 20}
	if _, err := download(t, serve(t, s), cfg); !errors.Is(err, outbound.ErrSlow) || s.asked() != 1 {
		t.Errorf("got %v after %d requests, want %v after 1", err, s.asked(), outbound.ErrSlow)
	}
}
