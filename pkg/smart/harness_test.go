package smart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rsaPEM is a key that takes long to make, once for all tests.
var rsaPEM = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, minModulus)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
})

func rsaKey(t *testing.T, id string) PrivateKey {
	t.Helper()
	k, err := ReadPrivateKey(rsaPEM(), id)
	check(t, err)
	return k
}

func ecKey(t *testing.T, id string) PrivateKey {
	t.Helper()
	raw, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	der, err := x509.MarshalECPrivateKey(raw)
	check(t, err)
	k, err := ReadPrivateKey(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), id)
	check(t, err)
	return k
}

// publicSet is the JWKS of several keys.
func publicSet(t *testing.T, keys ...PrivateKey) []byte {
	t.Helper()
	var all struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, k := range keys {
		text, err := k.PublicSet()
		check(t, err)
		var one struct {
			Keys []json.RawMessage `json:"keys"`
		}
		check(t, json.Unmarshal(text, &one))
		all.Keys = append(all.Keys, one.Keys...)
	}
	text, err := json.Marshal(all)
	check(t, err)
	return text
}

type fields map[string]any

// with is a copy with other values; nil is without.
func (f fields) with(changes fields) fields {
	c := fields{}
	for k, v := range f {
		c[k] = v
	}
	for k, v := range changes {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

// sign signs what a test wants, with headers of its own.
func (k PrivateKey) sign(t *testing.T, header, claims fields) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	check(t, err)
	h := jws.NewHeaders()
	for name, value := range (fields{"typ": "JWT", "kid": k.id}).with(header) {
		check(t, h.Set(name, value))
	}
	signed, err := jws.Sign(payload, jws.WithKey(k.alg, k.signer, jws.WithProtectedHeaders(h)))
	check(t, err)
	return string(signed)
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	check(t, err)
	return base64.RawURLEncoding.EncodeToString(b)
}

// authority is a token endpoint as suppliers see it, over a database of its own.
type authority struct {
	*Endpoint
	t        *testing.T
	database string
	url      string // of the endpoint
	web      *http.Client
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	return authorityOn(t, ledgertest.URL(t))
}

// authorityOn is another process with the same database.
func authorityOn(t *testing.T, database string) *authority {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), database)
	check(t, err)
	t.Cleanup(pool.Close)
	a := &authority{
		t: t, database: database,
		Endpoint: &Endpoint{Ledger: ledger.New(pool), Keys: &KeySets{}, Log: zerolog.Nop()},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.ServeToken(w, r, audienceOf)
	}))
	t.Cleanup(server.Close)
	a.url, a.web = server.URL, server.Client()
	return a
}

// audienceOf is the endpoint's URL, as two processes behind a proxy have it.
const audienceOf = "https://stoker.example.org/auth/token"

func (a *authority) declare(name string, c supplier.Credentials, p supplier.Policy) {
	a.t.Helper()
	check(a.t, a.Ledger.AddSupplier(a.t.Context(), supplier.Supplier{Name: name, Policy: p, Credentials: c}, true))
}

// answer is what an endpoint answered.
type answer struct {
	status int
	header http.Header
	Token
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (a *authority) post(body, contentType string) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url, strings.NewReader(body))
	check(a.t, err)
	req.Header.Set("Content-Type", contentType)
	resp, err := a.web.Do(req)
	check(a.t, err)
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	check(a.t, err)
	got := answer{status: resp.StatusCode, header: resp.Header}
	if err := json.Unmarshal(text, &got); err != nil {
		a.t.Fatalf("%d: %s: %v", resp.StatusCode, text, err)
	}
	return got
}

const formType = "application/x-www-form-urlencoded"

func form(assertion string) url.Values {
	return url.Values{
		"grant_type": {grantType}, "scope": {ScopeWrite}, "client_assertion_type": {assertionType}, "client_assertion": {assertion},
	}
}

// ask asks for a token by an assertion.
func (a *authority) ask(assertion string) answer {
	a.t.Helper()
	return a.post(form(assertion).Encode(), formType)
}

// site is a server of a supplier's, with TLS.
func site(t *testing.T, handle http.HandlerFunc) (server *httptest.Server, cfg outbound.Config) {
	t.Helper()
	server = httptest.NewTLSServer(handle)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	return server, outbound.Config{CAFile: file}
}

// clock is one that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// hostOf is a URL's host with its port.
func hostOf(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	check(t, err)
	return net.JoinHostPort(u.Hostname(), u.Port())
}
