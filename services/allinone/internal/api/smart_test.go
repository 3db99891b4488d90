package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// client declares a supplier of a name that proves itself by a key, and returns how it gets tokens.
func (f *fixture) client(name string, p supplier.Policy) func(scope string) string {
	f.t.Helper()
	text, err := smart.NewPrivateKey()
	check(f.t, err)
	key, err := smart.ReadPrivateKey(text, "")
	check(f.t, err)
	set, err := key.PublicSet()
	check(f.t, err)
	body, err := json.Marshal(supplier.Supplier{Name: name, Policy: p, Credentials: supplier.Credentials{ClientID: name, JWKS: set}})
	check(f.t, err)
	if got := f.do(http.MethodPost, "/suppliers", "", string(body)); got.status != http.StatusCreated {
		f.t.Fatalf("declare %s: %d %s", name, got.status, got.body)
	}
	return func(scope string) string {
		f.t.Helper()
		tokens := smart.NewTokens(smart.Tokens{Key: config.Secret(text), Supplier: supplier.Supplier{
			Policy: supplier.Policy{Base: f.url + fhirBase}, Credentials: supplier.Credentials{FetchOAuth: &supplier.FetchOAuth{ClientID: name, Scope: scope}},
		}})
		token, err := tokens.Token(f.t.Context())
		check(f.t, err)
		return token
	}
}

// TestNobody: the zero caller is nobody, and gets at nothing.
func TestNobody(t *testing.T) {
	t.Parallel()
	var c caller
	if c.isOperator() || !c.isNobody() || c.name() == "" || fhirmsg.CheckName(c.name()) == nil {
		t.Errorf("nobody is an operator, or a supplier could be called %q", c.name())
	}
	if got := c.supplierOf(fhirmsg.ImportRequest{Supplier: "clinic-a"}); got == "clinic-a" || fhirmsg.CheckName(got) == nil {
		t.Errorf("nobody delivers as %q", got)
	}
	if _, ok := newRates(time.Now).take(c); ok {
		t.Error("nobody is let in by the rate")
	}
	// What no middleware has let in is nobody's too.
	f := newFixture(t, Auth{})
	f.supplier("clinic-a", supplier.Policy{})
	id := f.accepted("clinic-a")
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
	}{{"ownImport", func(w http.ResponseWriter, r *http.Request) {
		if _, ok := f.ownImport(w, r); ok {
			w.WriteHeader(http.StatusOK)
		}
	}}, {"supplier", f.Server.supplier}, {"putFile", f.putFile}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.SetPathValue("id", id.String())
		r.SetPathValue("name", "clinic-a")
		r.SetPathValue("file", "x")
		w := httptest.NewRecorder()
		tt.handle(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
	handled := false
	w := httptest.NewRecorder()
	f.Auth.TokensOnly = true
	f.allow(anyone, func(http.ResponseWriter, *http.Request) { handled = true })(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if handled || w.Code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", w.Code)
	}
}

// TestAccessTokens: an access token is its supplier's, within its scope and its life, and gets at nothing of others.
func TestAccessTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	a, b := f.client("clinic-a", supplier.Policy{}), f.client("clinic-b", supplier.Policy{})
	static := f.supplier("clinic-c", supplier.Policy{})
	mine, theirs := f.accepted("clinic-a"), f.accepted("clinic-b")
	full, looks := a(smart.ScopeWrite), a(smart.ScopeRead)
	const request = `{"sources":[{"url":"https://a.example/x"}]}`
	for _, tt := range []struct {
		name, token, method, path, body string
		want                            int
	}{
		{"its import", full, "GET", "/imports/" + mine.String(), "", 200},
		{"another's import", full, "GET", "/imports/" + theirs.String(), "", 404},
		{"another's import, cancelled", full, "POST", "/imports/" + theirs.String() + "/cancel", "", 404},
		{"another's rejects", full, "GET", "/imports/" + theirs.String() + "/rejects", "", 404},
		{"another's files", full, "PUT", "/suppliers/clinic-b/files/x", "{}", 404},
		{"itself", full, "GET", "/suppliers/clinic-a", "", 200},
		{"another", full, "GET", "/suppliers/clinic-b", "", 404},
		{"the other way round", b(""), "GET", "/imports/" + mine.String(), "", 404},
		{"a static token of a third", static, "GET", "/imports/" + mine.String(), "", 404},
		{"operator's part", full, "GET", "/streams", "", 403},
		{"asks for an import", full, "POST", "/imports", request, 202},
		{"looks", looks, "GET", "/imports/" + mine.String(), "", 200},
		{"looks, and asks for an import", looks, "POST", "/imports", request, 403},
		{"looks, and uploads", looks, "PUT", "/suppliers/clinic-a/files/x", "{}", 403},
		{"not a token", "sta.x", "GET", "/imports", "", 401},
		{"its hash", supplier.HashOf(full), "GET", "/imports", "", 401},
	} {
		got := f.do(tt.method, tt.path, tt.token, tt.body)
		if got.status != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.name, got.status, tt.want, got.body)
		}
		if insufficient := strings.Contains(got.header.Get("WWW-Authenticate"), "insufficient_scope"); insufficient != (tt.want == 403 && tt.token == looks) {
			t.Errorf("%s: %q", tt.name, got.header.Get("WWW-Authenticate"))
		}
	}
	check(t, f.Ledger.AddAccessToken(t.Context(), ledger.AccessToken{
		Hash: supplier.HashOf("sta.old"), Supplier: "clinic-a", ClientID: "clinic-a", Scope: smart.ScopeWrite,
	}, -time.Second))
	if got := f.do(http.MethodGet, "/imports", "sta.old", ""); got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("expired: %d %s", got.status, got.body)
	}
	check(t, f.Ledger.RemoveSupplier(t.Context(), "clinic-a"))
	if got := f.do(http.MethodGet, "/imports", full, ""); got.status != http.StatusUnauthorized {
		t.Errorf("of a removed supplier: %d %s", got.status, got.body)
	}
}

// TestTokenEndpoint: its URL is what the operator says; nobody who asks can say another one.
func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true}) // as behind a proxy, where any name may come
	base, err := url.Parse(f.url)
	check(t, err)
	ask := func(method, path, host string) answer {
		req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader("grant_type=client_credentials"))
		check(t, err)
		req.Host = host
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(req)
		check(t, err)
		defer resp.Body.Close() //nolint:errcheck // only read
		var body map[string]any
		check(t, json.NewDecoder(resp.Body).Decode(&body))
		text, _ := body["token_endpoint"].(string)
		return answer{resp.StatusCode, resp.Header, text}
	}
	for _, tt := range []struct {
		public, host, want string
	}{
		{"", base.Host, f.url + "/auth/token"},
		{"", "evil.example", ""},
		{"https://stoker.example.org/x/", "evil.example", "https://stoker.example.org/x/auth/token"},
	} {
		f.PublicURL = tt.public
		for _, path := range []string{"/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration", "/fhir/clinic-a/.well-known/smart-configuration"} {
			if got := ask(http.MethodGet, path, tt.host); got.body != tt.want || (got.status == 200) != (tt.want != "") {
				t.Errorf("%q by %s: %s: %d %s", tt.public, tt.host, path, got.status, got.body)
			}
		}
		want := http.StatusUnauthorized // no assertion
		if tt.want == "" {
			want = http.StatusNotFound
		}
		if got := ask(http.MethodPost, "/auth/token", tt.host); got.status != want {
			t.Errorf("%q by %s: %d, want %d", tt.public, tt.host, got.status, want)
		}
	}
}

// TestUselessKeys: a supplier whose keys cannot be used is refused when it is declared.
func TestUselessKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{})
	const body = `{"name":"clinic-a","client_id":"a","jwks":{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"x","y":"y"}]}}`
	if got := f.do(http.MethodPost, "/suppliers", "", body); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.problem(), "jwks: none of the keys can be used") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
