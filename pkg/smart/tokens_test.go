package smart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// fhirSite is a supplier's server that gives tokens.
type fhirSite struct {
	*httptest.Server
	cfg outbound.Config

	mu     sync.Mutex
	asked  []string            // paths, in order
	forms  []map[string]string // of requests for tokens
	answer func(n int) (status int, body string)
	found  map[string]string // path to content; %s is the server's URL
}

func newFHIRSite(t *testing.T, found map[string]string) *fhirSite {
	t.Helper()
	s := &fhirSite{found: found, answer: func(n int) (int, string) {
		return 200, fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer","expires_in":300}`, n)
	}}
	s.Server, s.cfg = site(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.URL.Path)
		switch content, ok := s.found[r.URL.Path]; {
		case r.Method == http.MethodPost && r.URL.Path == "/token":
			_ = r.ParseForm() // what is missing fails the test
			form := map[string]string{}
			for name := range r.PostForm {
				form[name] = r.PostForm.Get(name)
			}
			s.forms = append(s.forms, form)
			status, body := s.answer(len(s.forms))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		case content == "503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case ok:
			_, _ = io.WriteString(w, strings.ReplaceAll(content, "%s", s.URL))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	return s
}

var wellKnown = map[string]string{"/fhir/.well-known/smart-configuration": `{"token_endpoint":"%s/token"}`}

// tokens are those of the site, for a client whose key is in a file.
func (s *fhirSite) tokens(t *testing.T, change func(*Tokens)) *Tokens {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	text, err := NewPrivateKey()
	check(t, err)
	check(t, os.WriteFile(file, text, 0o600))
	host := hostOf(t, s.URL)
	settings := Tokens{
		HTTP: s.cfg, Policy: &outbound.Policy{InternalHosts: []string{host}},
		Supplier: supplier.Supplier{
			Name: "clinic-a", Policy: supplier.Policy{Base: s.URL + "/fhir", InternalHosts: []string{host}},
			Credentials: supplier.Credentials{FetchOAuth: &supplier.FetchOAuth{ClientID: "stoker", KeyFile: file}},
		},
	}
	if change != nil {
		change(&settings)
	}
	return NewTokens(settings)
}

// TestDiscovery: by SMART's configuration, else by the CapabilityStatement, else not at all.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	const capability = `{"resourceType":"CapabilityStatement","rest":[{"security":{"extension":[{"url":"other"},{"url":"` + ExtensionOAuth + `",
		"extension":[{"url":"authorize","valueUri":"%s/auth"},{"url":"token","valueUri":"%s/token"}]}]}}]}`
	for _, tt := range []struct {
		name    string
		found   map[string]string
		asked   string
		problem string
	}{
		{"configuration", wellKnown, "/fhir/.well-known/smart-configuration /token", ""},
		{"capability", map[string]string{"/fhir/metadata": capability}, "/fhir/.well-known/smart-configuration /fhir/metadata /token", ""},
		{
			"a page for all that is not there", map[string]string{"/fhir/.well-known/smart-configuration": "<html>", "/fhir/metadata": capability},
			"/fhir/.well-known/smart-configuration /fhir/metadata /token", "",
		},
		{"none", nil, "/fhir/.well-known/smart-configuration /fhir/metadata", "name it as token_url"},
		{
			"none in both", map[string]string{"/fhir/.well-known/smart-configuration": "{}", "/fhir/metadata": "{}"},
			"/fhir/.well-known/smart-configuration /fhir/metadata", "it names no token endpoint",
		},
		{
			"not encrypted", map[string]string{"/fhir/.well-known/smart-configuration": `{"token_endpoint":"http://auth.example/token"}`},
			"/fhir/.well-known/smart-configuration", "names a token endpoint that is not",
		},
		{
			"elsewhere", map[string]string{"/fhir/.well-known/smart-configuration": `{"token_endpoint":"https://auth.example/token"}`},
			"/fhir/.well-known/smart-configuration", "refused by the supplier's policy",
		},
		{
			"no URL", map[string]string{"/fhir/.well-known/smart-configuration": `{"token_endpoint":"file:///etc/passwd"}`, "/fhir/metadata": "{}"},
			"/fhir/.well-known/smart-configuration /fhir/metadata", "is not an http or https URL",
		},
		{
			"huge", map[string]string{"/fhir/.well-known/smart-configuration": `{"x":"` + strings.Repeat("x", maxConfiguration) + `"}`, "/fhir/metadata": capability},
			"/fhir/.well-known/smart-configuration /fhir/metadata /token", "",
		},
	} {
		s := newFHIRSite(t, tt.found)
		tokens := s.tokens(t, func(c *Tokens) { c.Policy.Prefixes = []string{s.URL + "/token"} })
		token, err := tokens.Token(t.Context())
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) || err == nil && token != "t1" {
			t.Errorf("%s: %q, %v; want %q", tt.name, token, err, tt.problem)
		}
		if got := strings.Join(s.asked, " "); got != tt.asked {
			t.Errorf("%s: asked %s, want %s", tt.name, got, tt.asked)
		}
	}
}

// TestDiscoveryByMetadata: by what a submission names, and then by nothing else.
func TestDiscoveryByMetadata(t *testing.T) {
	t.Parallel()
	const authorization, configuration = "/.well-known/oauth-authorization-server/as", "/as/.well-known/smart-configuration"
	for _, tt := range []struct {
		name    string
		found   map[string]string
		asked   string
		problem string
	}{
		{"the endpoint", map[string]string{"/m": `{"token_endpoint":"%s/token"}`}, "/m /token", ""},
		{
			"the server", map[string]string{"/m": `{"authorization_servers":["%s/as"]}`, authorization: `{"token_endpoint":"%s/token"}`},
			"/m " + authorization + " /token", "",
		},
		{
			"a server that has SMART's", map[string]string{"/m": `{"authorization_servers":["%s/as/"]}`, configuration: `{"token_endpoint":"%s/token"}`},
			"/m " + authorization + " " + configuration + " /token", "",
		},
		{"the second", map[string]string{"/n": `{"token_endpoint":"%s/token"}`}, "/m /n /token", ""},
		{"none", map[string]string{"/m": "{}", "/n": `{"authorization_servers":[]}`}, "/m /n", "it names no token endpoint"},
		{"no metadata, and not what the server at base says", wellKnown, "/m /n", "the server answered 404"},
		{"elsewhere", map[string]string{"/m": `{"token_endpoint":"https://auth.example/token"}`}, "/m", "refused by the supplier's policy"},
		{"a server elsewhere", map[string]string{"/m": `{"authorization_servers":["https://auth.example"]}`}, "/m /n", "refused by the supplier's policy"},
		{"a server that is not encrypted", map[string]string{"/m": `{"authorization_servers":["http://auth.example"]}`}, "/m /n", "a server that is not"},
		{"not encrypted", map[string]string{"/m": `{"token_endpoint":"http://auth.example/token"}`}, "/m", "names a token endpoint that is not"},
		{"no JSON", map[string]string{"/m": "<html>"}, "/m /n", "it cannot be read"},
	} {
		s := newFHIRSite(t, tt.found)
		tokens := s.tokens(t, func(c *Tokens) { c.Policy.Prefixes, c.Metadata = []string{s.URL}, []string{s.URL + "/m", s.URL + "/n"} })
		token, err := tokens.Token(t.Context())
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) || err == nil && token != "t1" {
			t.Errorf("%s: %q, %v; want %q", tt.name, token, err, tt.problem)
		}
		if got := strings.Join(s.asked, " "); got != tt.asked {
			t.Errorf("%s: asked %s, want %s", tt.name, got, tt.asked)
		}
	}
}

// TestMetadataInTheClear: what is not encrypted says nothing of where tokens are, and gets no assertion, but within one's own network.
func TestMetadataInTheClear(t *testing.T) {
	t.Parallel()
	const public = "http://auth.example"
	s := newFHIRSite(t, nil)
	for name, answer := range map[string]string{
		"the endpoint": `{"token_endpoint":"` + public + `/token"}`, "a server": `{"authorization_servers":["` + public + `"]}`, "the metadata": "",
	} {
		internal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		t.Cleanup(internal.Close)
		tokens := s.tokens(t, func(c *Tokens) {
			hosts := []string{hostOf(t, internal.URL)}
			c.Policy.Prefixes, c.Policy.InternalHosts, c.Supplier.InternalHosts = []string{internal.URL, public}, hosts, hosts
			if c.Metadata = []string{internal.URL}; answer == "" {
				c.Metadata = []string{public}
			}
		})
		if _, err := tokens.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "must begin with https") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMetadataUnanswered: a server that is down for a moment may have said where tokens are, whatever is wrong with the others and
// with its other place.
func TestMetadataUnanswered(t *testing.T) {
	t.Parallel()
	const place, other = "/.well-known/oauth-authorization-server/", `{"token_endpoint":"%s/token"}`
	for _, tt := range []struct {
		name  string
		found map[string]string
		asked string
		taken bool
	}{
		{"its other place has none", map[string]string{place + "a": "503"}, "/m " + place + "a " + place + "b /b/.well-known/smart-configuration", false},
		{"another server is there", map[string]string{place + "a": "503", place + "b": other}, "/m " + place + "a " + place + "b /token", true},
	} {
		tt.found["/m"] = `{"authorization_servers":["%s/a","%s/b"]}`
		s := newFHIRSite(t, tt.found)
		tokens := s.tokens(t, func(c *Tokens) { c.Policy.Prefixes, c.Metadata = []string{s.URL}, []string{s.URL + "/m"} })
		var unanswered *outbound.Unanswered
		if _, err := tokens.Token(t.Context()); (err == nil) != tt.taken || err != nil && !errors.As(err, &unanswered) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := strings.Join(s.asked, " "); got != tt.asked {
			t.Errorf("%s: asked %s, want %s", tt.name, got, tt.asked)
		}
	}
}

// TestAssertion: what is sent is what a server that goes by the book takes, ours for instance.
func TestAssertion(t *testing.T) {
	t.Parallel()
	for name, text := range map[string][]byte{"RSA": rsaPEM(), "EC": nil} {
		s := newFHIRSite(t, wellKnown)
		if text == nil {
			var err error
			text, err = NewPrivateKey()
			check(t, err)
		}
		tokens := s.tokens(t, func(c *Tokens) {
			c.Policy.Prefixes = []string{s.URL}
			c.Supplier.FetchOAuth.KeyFile, c.Key = "", config.Secret(text)
		})
		_, err := tokens.Token(t.Context())
		check(t, err)
		form := s.forms[0]
		if form["grant_type"] != "client_credentials" || form["scope"] != "system/*.read" || form["client_assertion_type"] != assertionType || len(form) != 4 {
			t.Errorf("%s: form %v", name, form)
		}
		a, err := decodeAssertion(form["client_assertion"])
		check(t, err)
		key, err := ReadPrivateKey(text, "")
		check(t, err)
		public, err := key.PublicSet()
		check(t, err)
		set, err := ParseKeySet(public)
		check(t, err)
		if err := errors.Join(a.check(s.URL+"/token", time.Now()), a.verify(set.find(a.header.KeyID, a.header.Algorithm))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a.claims.Issuer != "stoker" || a.header.Type != "JWT" || len(a.claims.ID) < 22 {
			t.Errorf("%s: %+v %+v", name, a.header, a.claims)
		}
	}
}

// TestRenewed: a token is used again until shortly before its end, or until a server does not take it.
func TestRenewed(t *testing.T) {
	t.Parallel()
	s, now := newFHIRSite(t, wellKnown), newClock()
	tokens := s.tokens(t, func(c *Tokens) { c.Policy.Prefixes, c.Now = []string{s.URL}, now.now })
	want := func(what, token string) {
		t.Helper()
		if got, err := tokens.Token(t.Context()); got != token || err != nil {
			t.Errorf("%s: %q, %v; want %s", what, got, err, token)
		}
	}
	want("first", "t1")
	now.add(4*time.Minute - time.Second)
	want("a minute before its end", "t1")
	now.add(time.Second)
	want("less than that", "t2")
	credential := tokens.Credentials()[0]
	if credential.Forget("Bearer other") || credential.Forget("Basic t2") || credential.Forget("") {
		t.Error("another token is forgotten")
	}
	if !credential.Forget("Bearer t2") {
		t.Error("the token is not forgotten")
	}
	if !credential.Forget("Bearer t2") {
		t.Error("who has the same token does not get another")
	}
	want("after it was not taken", "t3")
	if !credential.Forget("Bearer t2") {
		t.Error("who comes late with the last but one does not get the new one")
	}
	want("after a late one", "t3")
	if len(s.asked) != 4 { // discovered once
		t.Errorf("asked %v", s.asked)
	}
	if prefix := credential.Prefix; prefix != s.URL {
		t.Errorf("it is sent to %s", prefix)
	}
}

// TestRefusedTokens: what goes wrong is told without a secret, and not tried for every file anew unless it may pass.
func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, tt := range []struct {
		name    string
		status  int
		body    string
		problem string
		later   bool
	}{
		{"invalid client", 401, `{"error":"invalid_client","error_description":"` + secret + `"}`, "answered 401 invalid_client", false},
		{"another error", 400, `{"error":"` + secret + `"}`, "answered 400", false},
		{"a page", 403, secret, "answered 403", false},
		{"a redirect", 302, secret, "answered 302", false},
		{"busy", 429, secret, "answered 429", true},
		{"down", 503, secret, "answered 503", true},
		{"no JSON", 200, secret, "cannot be read", false},
		{"no token", 200, `{"x":"` + secret + `"}`, "no token that can be used", false},
		{"a token with a line", 200, `{"access_token":"` + secret + `\r\nX: y"}`, "no token that can be used", false},
		{"a long token", 200, `{"access_token":"` + strings.Repeat("x", maxToken+1) + `"}`, "no token that can be used", false},
		{"of another type", 200, `{"access_token":"` + secret + `","token_type":"mac"}`, "not a bearer token", false},
		{"huge", 200, `{"access_token":"` + strings.Repeat("x", maxTokenAnswer) + `"}`, "larger than allowed", false},
	} {
		s, now := newFHIRSite(t, wellKnown), newClock()
		s.answer = func(int) (int, string) { return tt.status, tt.body }
		tokens := s.tokens(t, func(c *Tokens) { c.Policy.Prefixes, c.Now = []string{s.URL}, now.now })
		value := tokens.Credentials()[0].Value
		_, err := value(t.Context())
		var unanswered *outbound.Unanswered
		if err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), secret) || errors.As(err, &unanswered) != tt.later {
			t.Errorf("%s: %v; want %q, later %v", tt.name, err, tt.problem, tt.later)
		}
		_, _ = value(t.Context()) // as the next file would
		if asked := len(s.forms); (asked == 2) != tt.later {
			t.Errorf("%s: asked %d times", tt.name, asked)
		}
		s.answer = func(int) (int, string) { return 201, `{"access_token":"t"}` }
		now.add(failedFor)
		if got, err := value(t.Context()); got != "Bearer t" {
			t.Errorf("%s, later: %q, %v", tt.name, got, err)
		}
	}
}

// TestScopesInTurn: where no scope is configured, the server's way to say it is found.
func TestScopesInTurn(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"", "system/Patient.rs"} {
		s := newFHIRSite(t, wellKnown)
		s.answer = func(n int) (int, string) {
			if n == 1 {
				return 400, `{"error":"invalid_scope"}`
			}
			return 200, `{"access_token":"t"}`
		}
		tokens := s.tokens(t, func(c *Tokens) { c.Policy.Prefixes, c.Supplier.FetchOAuth.Scope = []string{s.URL}, scope })
		_, err := tokens.Token(t.Context())
		var asked []string
		for _, form := range s.forms {
			asked = append(asked, form["scope"])
		}
		want := "system/*.read system/*.rs"
		if scope != "" {
			want = scope
		}
		if got := strings.Join(asked, " "); got != want || (err == nil) != (scope == "") {
			t.Errorf("%q: asked for %s, %v; want %s", scope, got, err, want)
		}
	}
}

// TestNoKey: a key that is not there, or is none, fails without being shown.
func TestNoKey(t *testing.T) {
	t.Parallel()
	s := newFHIRSite(t, wellKnown)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "key"), []byte("hunter2"), 0o600))
	for file, problem := range map[string]string{"": "set STOKER_FETCHER_OAUTH_KEY", filepath.Join(dir, "none"): "no such file", filepath.Join(dir, "key"): "neither PEM nor"} {
		tokens := s.tokens(t, func(c *Tokens) { c.Supplier.FetchOAuth.KeyFile = file })
		if _, err := tokens.Token(t.Context()); err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v", file, err)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked %v without a key", s.asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.tokens(t, nil).Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestReadPrivateKey(t *testing.T) {
	t.Parallel()
	made, err := NewPrivateKey()
	check(t, err)
	var fields map[string]any
	check(t, json.Unmarshal(made, &fields))
	secret, _ := fields["d"].(string)
	key, err := ReadPrivateKey(made, "")
	check(t, err)
	if key.id != fields["kid"] || key.id == "" || secret == "" {
		t.Errorf("id %q of %v", key.id, fields["kid"])
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, key) + fmt.Sprintf(verb, &key); strings.Contains(got, secret) || !strings.Contains(got, "[secret]") {
			t.Errorf("%s shows the key: %s", verb, got)
		}
	}
	public, err := key.PublicSet()
	check(t, err)
	if strings.Contains(string(public), secret) || !strings.Contains(string(public), key.id) {
		t.Errorf("public set: %s", public)
	}
	if named, err := ReadPrivateKey(made, "mine"); err != nil || named.id != "mine" {
		t.Errorf("named: %q, %v", named.id, err)
	}
	for name, text := range map[string]string{
		"empty": "", "public": string(public), "P-256": `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`,
		"symmetric": `{"kty":"oct","k":"c2VjcmV0"}`,
	} {
		if _, err := ReadPrivateKey([]byte(text), ""); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}
