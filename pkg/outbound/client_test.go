package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a server that keeps what it was asked.
type recorder struct {
	answer http.HandlerFunc // nil: "content"

	mu    sync.Mutex
	asked []*http.Request
}

func (s *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r)
		return
	}
	_, _ = io.WriteString(w, "content")
}

func (s *recorder) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func serve(t *testing.T, h http.Handler) (base string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func parsed(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := ParseURL(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// get reads all of an answer.
func get(t *testing.T, c *Client, r Request) (string, error) {
	t.Helper()
	resp, err := c.Do(t.Context(), r)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(resp.Body)
	return string(content), errors.Join(err, resp.Body.Close())
}

func newClient(t *testing.T, cfg Config, p *Policy, credentials ...Credential) *Client {
	t.Helper()
	c, err := New(cfg, p, credentials...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// own is a policy that allows servers of the test.
func own(bases ...string) *Policy {
	return &Policy{Prefixes: bases, InternalHosts: []string{"127.0.0.1"}}
}

// TestInternalAddresses: whatever the notation, and though the URL itself is allowed.
func TestInternalAddresses(t *testing.T) {
	t.Parallel()
	s := &recorder{}
	port := parsed(t, serve(t, s)).Port()
	for host, refused := range map[string]bool{ // else there is no such name
		"127.0.0.1": true, "localhost": true, "[::1]": true, "[::ffff:127.0.0.1]": true, "[::ffff:7f00:1]": true, "[::]": true, "0.0.0.0": true,
		"169.254.169.254": true, "10.0.0.1": true, "[fe80::1%25lo]": true, "１２７.0.0.1": true,
		"2130706433": false, "0x7f000001": false, "127.1": false, "0177.0.0.1": false,
	} {
		base := "http://" + host + ":" + port + "/"
		c := newClient(t, Config{ConnectTimeout: 5 * time.Second}, &Policy{Prefixes: []string{base}})
		_, err := get(t, c, Request{URL: parsed(t, base)})
		var refusal *Refusal
		if err == nil || refused && !errors.As(err, &refusal) {
			t.Errorf("%s: got %v, want a refusal: %v", host, err, refused)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests came", n)
	}
	c := newClient(t, Config{}, &Policy{Prefixes: []string{"http://localhost:" + port}, InternalHosts: []string{"localhost"}})
	if got, err := get(t, c, Request{URL: parsed(t, "http://localhost:"+port)}); err != nil || got != "content" {
		t.Errorf("allowed by name: got %q, %v", got, err)
	}
}

// TestRedirectsPassThePolicy: what one server allows itself does not count for another.
func TestRedirectsPassThePolicy(t *testing.T) {
	t.Parallel()
	other := &recorder{}
	otherBase := serve(t, other)
	var target string
	s := &recorder{answer: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bulk/end" {
			_, _ = io.WriteString(w, "content")
			return
		}
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusFound)
	}}
	base := serve(t, s) + "/bulk/"
	c := newClient(t, Config{}, own(base, "http://169.254.169.254/"))
	for to, want := range map[string]string{
		"end":                 "",
		otherBase + "/secret": "under none of the allowed URL prefixes",
		"http://169.254.169.254/latest/meta-data": "link-local",
		"http://169.254.169.254.nip.example/":     "under none",
		"../elsewhere":                            "under none",
		"file:///etc/passwd":                      "not an http",
		"gopher://127.0.0.1/":                     "not an http",
		"begin":                                   "more than 5 redirects",
	} {
		target = to
		_, err := get(t, c, Request{URL: parsed(t, base+"begin")})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("to %s: got %v, want %q", to, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "meta-data") {
			t.Errorf("to %s: tells the path: %v", to, err)
		}
	}
	if n := len(other.requests()); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

// TestSecretsStayAtHome: each origin gets what belongs to it.
func TestSecretsStayAtHome(t *testing.T) {
	t.Parallel()
	away := &recorder{}
	awayBase := serve(t, away)
	home := &recorder{answer: func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, awayBase+"/x", http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/x", http.StatusFound)
		}
	}}
	homeBase := serve(t, home)
	c := newClient(t, Config{}, nil,
		Credential{Prefix: homeBase, Header: "Authorization", Value: Fixed("Bearer home")},
		Credential{Prefix: awayBase + "/other/", Header: "Authorization", Value: Fixed("Bearer away")})
	tests := []struct {
		url       string
		anonymous bool
		server    *recorder
		want      [3]string // Authorization, X-Key, Range of the last request
	}{
		{homeBase + "/x", false, home, [3]string{"Bearer home", "key", "bytes=1-"}},
		{homeBase + "/here", false, home, [3]string{"Bearer home", "key", "bytes=1-"}},
		{homeBase + "/away", false, away, [3]string{"", "", "bytes=1-"}},
		{homeBase + "/x", true, home, [3]string{"", "key", "bytes=1-"}},
		{awayBase + "/other/x", false, away, [3]string{"Bearer away", "key", "bytes=1-"}},
		{awayBase + "/x", false, away, [3]string{"", "key", "bytes=1-"}},
	}
	for _, tt := range tests {
		_, err := get(t, c, Request{
			URL: parsed(t, tt.url), Header: http.Header{"Range": {"bytes=1-"}}, Secret: http.Header{"x-key": {"key"}}, Anonymous: tt.anonymous,
		})
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		asked := tt.server.requests()
		h := asked[len(asked)-1].Header
		if got := [3]string{h.Get("Authorization"), h.Get("X-Key"), h.Get("Range")}; got != tt.want || h.Get("Referer") != "" {
			t.Errorf("%s, anonymous %v: sent %v, want %v", tt.url, tt.anonymous, got, tt.want)
		}
	}
	if !c.HasCredential(parsed(t, homeBase+"/a")) || c.HasCredential(parsed(t, awayBase+"/a")) {
		t.Error("has credentials for other URLs than it was given")
	}
}

// TestCredentialFails: nothing is sent without it.
func TestCredentialFails(t *testing.T) {
	t.Parallel()
	s := &recorder{}
	base := serve(t, s)
	c := newClient(t, Config{}, nil, Credential{Prefix: base, Header: "Authorization", Value: func(context.Context) (string, error) {
		return "", errors.New("no token")
	}})
	if _, err := get(t, c, Request{URL: parsed(t, base)}); err == nil || len(s.requests()) != 0 {
		t.Errorf("got %v after %d requests", err, len(s.requests()))
	}
}

// TestNoProxyUnderAPolicy: what a proxy connects to cannot be seen from here.
func TestNoProxyUnderAPolicy(t *testing.T) {
	t.Parallel()
	if newClient(t, Config{}, nil).transport.Proxy == nil || newClient(t, Config{}, own()).transport.Proxy != nil {
		t.Error("proxies are for requests without a policy, and for no other")
	}
}

// TestErrorsUnderAPolicy: they tell nothing of the network here.
func TestErrorsUnderAPolicy(t *testing.T) {
	t.Parallel()
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "SSH-2.0-secret\r\n")
		_ = conn.Close()
	}))
	for name, target := range map[string]string{
		"closed": "http://127.0.0.1:1/", "no such name": "http://no-such-host.invalid/", "not HTTP": base, "refused": "http://127.0.0.2/",
	} {
		c := newClient(t, Config{}, own(target))
		_, err := get(t, c, Request{URL: parsed(t, target)})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, telling := range []string{"127.0.0.1", ":53", "SSH", "secret", "dial"} {
			if strings.Contains(err.Error(), telling) {
				t.Errorf("%s: tells %q: %v", name, telling, err)
			}
		}
	}
}
