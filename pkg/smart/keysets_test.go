package smart

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// keySite serves a client's keys, as a test sets them.
type keySite struct {
	*httptest.Server
	set     atomic.Pointer[[]byte]
	fetched atomic.Int64
	control string // Cache-Control
}

// byURL declares a client with its keys at a server of its own.
func byURL(t *testing.T, a *authority, control string, keys ...PrivateKey) (s *keySite, now *clock) {
	t.Helper()
	s, now = &keySite{control: control}, newClock()
	s.serve(t, keys...)
	server, cfg := site(t, func(w http.ResponseWriter, _ *http.Request) {
		s.fetched.Add(1)
		if s.control != "" {
			w.Header().Set("Cache-Control", s.control)
		}
		_, _ = w.Write(*s.set.Load())
	})
	s.Server = server
	a.Keys = &KeySets{HTTP: cfg, Now: now.now}
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKSURL: server.URL + "/jwks"}, supplier.Policy{InternalHosts: []string{hostOf(t, server.URL)}})
	return s, now
}

func (s *keySite) serve(t *testing.T, keys ...PrivateKey) {
	t.Helper()
	set := publicSet(t, keys...)
	s.set.Store(&set)
}

// TestKeysByURL: keys are fetched, kept, and fetched again for a key that is new, but not at any rate.
func TestKeysByURL(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	first, second := ecKey(t, "1"), rsaKey(t, "2")
	s, now := byURL(t, a, "max-age=600", first)
	ask := func(what string, key PrivateKey, status int, fetched int64) {
		t.Helper()
		if got := a.ask(key.sign(t, nil, claims("client-a"))); got.status != status || s.fetched.Load() != fetched {
			t.Errorf("%s: %d %s after %d fetches; want %d after %d", what, got.status, got.Description, s.fetched.Load(), status, fetched)
		}
	}
	ask("first", first, 200, 1)
	ask("kept", first, 200, 1)
	ask("an unknown key, at once", second, 401, 1)
	s.serve(t, second)
	now.add(KeysEvery)
	ask("a new key", second, 200, 2)
	for range 5 {
		ask("one that is there no more", first, 401, 2)
	}
	now.add(KeysEvery)
	ask("one that is there no more, later", first, 401, 3)
	now.add(10*time.Minute - time.Second)
	ask("still kept", second, 200, 3)
	now.add(time.Second)
	ask("over", second, 200, 4)
	if got := a.ask(second.sign(t, fields{"jku": s.URL + "/jwks"}, claims("client-a"))); got.status != 200 {
		t.Errorf("with the jku that is registered: %d %s", got.status, got.Description)
	}

	// Elsewhere from now on.
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKSURL: s.URL + "/other"}, supplier.Policy{InternalHosts: []string{hostOf(t, s.URL)}})
	ask("from another URL", second, 200, 5)
}

// TestKeysFail: where keys cannot be had, nobody gets a token, and the server is not asked again at once. Keys that were
// fetched before are good until their time is over.
func TestKeysFail(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecKey(t, "k")
	s, now := byURL(t, a, "", key)
	good := *s.set.Load()
	ask := func(what string, status int, fetched int64) {
		t.Helper()
		got := a.ask(key.sign(t, nil, claims("client-a")))
		if got.status != status || s.fetched.Load() != fetched || (status == 503) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%s: %d %s after %d fetches; want %d after %d", what, got.status, got.Description, s.fetched.Load(), status, fetched)
		}
	}
	broken := []byte(`{"keys":[]}`)
	s.set.Store(&broken)
	ask("no keys", 503, 1)
	ask("no keys, at once", 503, 1)
	s.set.Store(&good)
	now.add(KeysEvery)
	ask("keys again", 200, 2)
	s.set.Store(&broken)
	now.add(keysDefault - time.Second)
	ask("kept", 200, 2)
	now.add(time.Second)
	ask("over", 503, 3)
}

// TestHostileKeys: a server of keys cannot harm: by size, by slowness, by leading elsewhere, or by its address.
func TestHostileKeys(t *testing.T) {
	t.Parallel()
	key := ecKey(t, "k")
	set := publicSet(t, key)
	elsewhere, _ := site(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })
	drip := func(w http.ResponseWriter, r *http.Request) {
		for i := 0; ; i = (i + 1) % len(set) {
			if _, err := w.Write(set[i : i+1]); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	var sent atomic.Int64 // of what is huge, before the connection was closed
	for _, tt := range []struct {
		name    string
		public  bool // its address is not allowed by the policy
		timeout time.Duration
		handle  http.HandlerFunc
	}{
		{"huge", false, 0, func(w http.ResponseWriter, _ *http.Request) {
			n, _ := io.Copy(w, io.MultiReader(strings.NewReader(`{"keys":[`), io.LimitReader(zeros{}, 1<<30)))
			sent.Store(n)
		}},
		{"many keys", false, 0, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"keys":[%s{}]}`, strings.Repeat("{},", maxKeys))
		}},
		{"silent", false, 50 * time.Millisecond, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"a drip", false, 50 * time.Millisecond, drip},
		{"redirect", false, 0, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}},
		{"redirect to metadata", false, 0, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		}},
		{"not there", false, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }},
		{"no JSON", false, 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }},
		{"an internal address", true, 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			server, cfg := site(t, tt.handle)
			a.Keys = &KeySets{HTTP: cfg, timeout: tt.timeout}
			p := supplier.Policy{InternalHosts: []string{hostOf(t, server.URL), hostOf(t, elsewhere.URL)}}
			if tt.public {
				p.InternalHosts = nil
			}
			a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKSURL: server.URL}, p)
			if got := a.ask(key.sign(t, nil, claims("client-a"))); got.status != http.StatusServiceUnavailable || got.AccessToken != "" || strings.Contains(got.Description, "127.0.0.1") {
				t.Errorf("%d %s %s", got.status, got.Code, got.Description)
			}
			server.Close()                                                            // waits for the handler
			if n := sent.Load(); tt.name == "huge" && (n < maxKeySet || n > 32<<20) { // more than the limit is in the buffers of both sides
				t.Errorf("%d bytes were sent of what is huge", n)
			}
		})
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestParseKeySet(t *testing.T) {
	t.Parallel()
	es, rs := ecKey(t, "es"), rsaKey(t, "rs")
	for _, tt := range []struct {
		name, from, to string
		want           int
	}{
		{"both", "", "", 2},
		{"for encryption", `"use":"sig"`, `"use":"enc"`, 0},
		{"for another algorithm", `"alg":"ES384"`, `"alg":"ES256"`, 1},
		{"without ids", `"kid"`, `"id"`, 0},
		{"with operations", `"use":"sig"`, `"key_ops":["verify"]`, 2},
		{"with other operations", `"use":"sig"`, `"key_ops":["sign"]`, 0},
		{"of kinds that are unknown", `"kty":"RSA"`, `"kty":"OKP"`, 1},
		{"with others", `{"keys":[`, `{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"},{"kty":"X"},3,null,`, 2},
	} {
		text := bytes.ReplaceAll(publicSet(t, es, rs), []byte(tt.from), []byte(tt.to))
		if tt.from == "" {
			text = publicSet(t, es, rs)
		}
		set, err := ParseKeySet(text)
		if len(set.keys) != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("%s: %d keys, %v; want %d", tt.name, len(set.keys), err, tt.want)
		}
	}
	private, err := NewPrivateKey()
	check(t, err)
	if _, err := ParseKeySet([]byte(`{"keys":[` + string(private) + `]}`)); err == nil {
		t.Error("a private key is taken for a public one")
	}
}

func TestKeysLife(t *testing.T) {
	t.Parallel()
	for control, want := range map[string]time.Duration{
		"": keysDefault, "max-age=600": 10 * time.Minute, "public, Max-Age=\"600\"": 10 * time.Minute, "max-age=1": keysLeast, "max-age=-5": keysLeast,
		"max-age=99999": keysMost, "no-store": keysLeast, "no-cache, max-age=600": keysLeast, "max-age=x": keysDefault, "max-age=9999999999999999999": keysDefault,
	} {
		if got := keysLife(control); got != want {
			t.Errorf("%q: %s, want %s", control, got, want)
		}
	}
}
