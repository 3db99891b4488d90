package smart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// claims are those of a good assertion, with an id of its own.
func claims(client string) fields {
	now := time.Now()
	return fields{"iss": client, "sub": client, "aud": audienceOf, "exp": now.Add(4 * time.Minute).Unix(), "iat": now.Unix(), "jti": rand.Text()}
}

// hmacSigned is an assertion whose secret is what everybody knows.
func hmacSigned(t *testing.T, alg string, of func() hash.Hash, secret []byte, kid string, claims fields) string {
	t.Helper()
	signed := encoded(t, fields{"alg": alg, "typ": "JWT", "kid": kid}) + "." + encoded(t, claims)
	mac := hmac.New(of, secret)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestTokens: a good assertion gets a token, with either algorithm, and the ledger knows whose it is.
func TestTokens(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	rs, es := rsaKey(t, "rs"), ecKey(t, "es")
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKS: publicSet(t, rs, es)}, supplier.Policy{})
	for _, tt := range []struct {
		name    string
		key     PrivateKey
		header  fields
		changes fields
	}{
		{"RS384", rs, nil, nil},
		{"ES384", es, nil, nil},
		{"aud in an array", es, nil, fields{"aud": []string{audienceOf}}},
		{"no typ", es, fields{"typ": nil}, nil},
		{"no iat", es, nil, fields{"iat": nil}},
		{"exp with a fraction", es, nil, fields{"exp": float64(time.Now().Unix()) + 100.5}},
		{"all of five minutes", es, nil, fields{"exp": time.Now().Add(MaxLife).Unix()}},
		{"a clock that is slow", es, nil, fields{"exp": time.Now().Add(-Skew / 2).Unix()}},
	} {
		got := a.ask(tt.key.sign(t, tt.header, claims("client-a").with(tt.changes)))
		if got.status != http.StatusOK || got.TokenType != "bearer" || got.ExpiresIn != 300 || got.Scope != ScopeWrite || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %s: %+v", tt.name, got.status, got.Code, got.Description, got.Token)
			continue
		}
		declared, scope, err := a.Ledger.AccessToken(t.Context(), supplier.HashOf(got.AccessToken))
		if err != nil || declared.Name != "clinic-a" || scope != ScopeWrite || !IsAccessToken(got.AccessToken) {
			t.Errorf("%s: the token is of %q with %q, %v", tt.name, declared.Name, scope, err)
		}
	}
}

// TestAttacks: nothing else gets one.
func TestAttacks(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	rs, es, other := rsaKey(t, "rs"), ecKey(t, "es"), ecKey(t, "other")
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKS: publicSet(t, rs, es)}, supplier.Policy{})
	a.declare("clinic-b", supplier.Credentials{ClientID: "client-b", JWKS: publicSet(t, other)}, supplier.Policy{})
	a.declare("clinic-c", supplier.Credentials{ClientID: "client-c", JWKS: publicSet(t, ecKey(t, "c"))}, supplier.Policy{})
	check(t, a.Ledger.RemoveSupplier(t.Context(), "clinic-c"))

	public, err := x509.MarshalPKIXPublicKey(rs.signer.Public())
	check(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	small := PrivateKey{id: "es", alg: jwa.ES256(), signer: p256}
	rs256, ps384 := rs, rs
	rs256.alg, ps384.alg = jwa.RS256(), jwa.PS384()
	c := claims("client-a")
	stranger, err := ecKey(t, "es").PublicSet()
	check(t, err)
	set, err := jwk.Parse(stranger)
	check(t, err)
	brought, _ := set.Key(0)
	good := es.sign(t, nil, claims("client-a"))
	parts := strings.Split(good, ".")
	unsigned := func(header fields, claims fields) string { return encoded(t, header) + "." + encoded(t, claims) + "." }

	for _, tt := range []struct{ name, assertion, problem string }{
		{"alg none", unsigned(fields{"alg": "none", "kid": "es"}, c), "alg must be"},
		{"alg None", unsigned(fields{"alg": "None", "kid": "es"}, c), "alg must be"},
		{"no alg", unsigned(fields{"kid": "es"}, c), "alg must be"},
		{"alg ES384 without a signature", unsigned(fields{"alg": "ES384", "kid": "es"}, c), errSignature.Error()},
		{"HS256 with the public key, PEM", hmacSigned(t, "HS256", sha256.New, publicPEM, "rs", c), "alg must be"},
		{"HS384 with the public key, PEM", hmacSigned(t, "HS384", sha512.New384, publicPEM, "rs", c), "alg must be"},
		{"RS384 that is HS384 with the public key", hmacSigned(t, "RS384", sha512.New384, publicPEM, "rs", c), errSignature.Error()},
		{"HS256 with the public key, DER", hmacSigned(t, "HS256", sha256.New, public, "rs", c), "alg must be"},
		{"RS256", rs256.sign(t, nil, c), "alg must be"},
		{"PS384", ps384.sign(t, nil, c), "alg must be"},
		{"ES256", small.sign(t, nil, c), "alg must be"},
		{"RS384 with the id of an EC key", rs.sign(t, fields{"kid": "es"}, c), errSignature.Error()},
		{"ES384 with the id of an RSA key", es.sign(t, fields{"kid": "rs"}, c), errSignature.Error()},
		{"an unknown kid", es.sign(t, fields{"kid": "nobody"}, c), errSignature.Error()},
		{"no kid", es.sign(t, fields{"kid": nil}, c), "kid is missing"},
		{"another key of the same kid", ecKey(t, "es").sign(t, nil, c), errSignature.Error()},
		{"a key that it brings along", ecKey(t, "es").sign(t, fields{"jwk": brought}, c), errSignature.Error()},
		{"a jku", es.sign(t, fields{"jku": "https://evil.example/jwks"}, c), "jku must be"},
		{"crit", es.sign(t, fields{"crit": []string{"exp"}, "exp": 1}, c), "crit"},
		{"another type", es.sign(t, fields{"typ": "at+jwt"}, c), "typ must be"},
		{"another supplier's key", other.sign(t, nil, c), errSignature.Error()},
		{"another supplier's key under one's kid", other.sign(t, fields{"kid": "es"}, c), errSignature.Error()},
		{"nobody's client id", es.sign(t, nil, claims("client-z")), errSignature.Error()},
		{"the supplier's name", es.sign(t, nil, claims("clinic-a")), errSignature.Error()},
		{"a removed supplier's", es.sign(t, nil, claims("client-c")), errSignature.Error()},
		{"a NUL in the client id", es.sign(t, nil, claims("client-a\x00")), "iss and sub"},
		{"no client id", es.sign(t, nil, claims("")), "iss and sub"},
		{"iss is not sub", es.sign(t, nil, c.with(fields{"iss": "client-b"})), "iss and sub"},
		{"no iss", es.sign(t, nil, c.with(fields{"iss": nil})), "iss and sub"},
		{"wrong aud", es.sign(t, nil, c.with(fields{"aud": "https://other.example/token"})), "aud must be " + audienceOf},
		{"aud with a slash", es.sign(t, nil, c.with(fields{"aud": audienceOf + "/"})), "aud must be"},
		{"the server as aud", es.sign(t, nil, c.with(fields{"aud": "https://stoker.example.org"})), "aud must be"},
		{"two aud", es.sign(t, nil, c.with(fields{"aud": []string{audienceOf, "https://other.example/token"}})), "aud must be"},
		{"no aud", es.sign(t, nil, c.with(fields{"aud": nil})), "aud must be"},
		{"expired", es.sign(t, nil, c.with(fields{"exp": time.Now().Add(-Skew - time.Second).Unix()})), "exp has passed"},
		{"exp too far ahead", es.sign(t, nil, c.with(fields{"exp": time.Now().Add(MaxLife + Skew + 5*time.Second).Unix()})), "at most 5 minutes"},
		{"exp in milliseconds", es.sign(t, nil, c.with(fields{"exp": time.Now().UnixMilli()})), "at most 5 minutes"},
		{"exp beyond all", es.sign(t, nil, c.with(fields{"exp": 1e300})), "at most 5 minutes"},
		{"no exp", es.sign(t, nil, c.with(fields{"exp": nil})), "exp is missing"},
		{"exp as text", es.sign(t, nil, c.with(fields{"exp": "tomorrow"})), "claims of the assertion cannot be read"},
		{"nbf ahead", es.sign(t, nil, c.with(fields{"nbf": time.Now().Add(time.Minute).Unix()})), "nbf"},
		{"iat ahead", es.sign(t, nil, c.with(fields{"iat": time.Now().Add(time.Minute).Unix()})), "iat"},
		{"no jti", es.sign(t, nil, c.with(fields{"jti": nil})), "jti"},
		{"a long jti", es.sign(t, nil, c.with(fields{"jti": strings.Repeat("x", maxID+1)})), "jti"},
		{"claims of another assertion", parts[0] + "." + encoded(t, c.with(fields{"jti": "mine"})) + "." + parts[2], errSignature.Error()},
		{"a signature of another assertion", parts[0] + "." + parts[1] + "." + strings.Split(es.sign(t, nil, c), ".")[2], errSignature.Error()},
		{"four parts", good + ".x", "compact"},
		{"a JSON serialization", `{"payload":"` + parts[1] + `"}`, "compact"},
		{"no assertion", "", "compact"},
		{"no base64", "!.!.!", "cannot be read"},
		{"no JSON", "eA.eA.eA", "cannot be read"},
	} {
		got := a.ask(tt.assertion)
		if got.status != http.StatusUnauthorized || got.Code != "invalid_client" || !strings.Contains(got.Description, tt.problem) || got.AccessToken != "" {
			t.Errorf("%s: %d %s %q; want invalid_client with %q", tt.name, got.status, got.Code, got.Description, tt.problem)
		}
	}
	if got := a.ask(good); got.status != http.StatusOK {
		t.Errorf("the good one, after all that: %d %s", got.status, got.Description)
	}
}

// TestReplay: an assertion is good for one token: of this process, of another one, and after a restart.
func TestReplay(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key, other := ecKey(t, "k"), ecKey(t, "k")
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKS: publicSet(t, key)}, supplier.Policy{})
	a.declare("clinic-b", supplier.Credentials{ClientID: "client-b", JWKS: publicSet(t, other)}, supplier.Policy{})
	c := claims("client-a")
	assertion := key.sign(t, nil, c)
	forged := ecKey(t, "k").sign(t, nil, c)
	if got := a.ask(forged); got.Code != "invalid_client" {
		t.Errorf("forged: %d", got.status)
	}
	if got := a.ask(assertion); got.status != http.StatusOK {
		t.Fatalf("the first time, after a forged one of the same jti: %d %s", got.status, got.Description)
	}
	replayed := func(where string, a *authority, assertion string) {
		if got := a.ask(assertion); got.Code != "invalid_client" || !strings.Contains(got.Description, "jti") {
			t.Errorf("%s: %d %s %s", where, got.status, got.Code, got.Description)
		}
	}
	replayed("again", a, assertion)
	replayed("its jti in another assertion", a, key.sign(t, nil, c.with(fields{"exp": time.Now().Add(time.Minute).Unix()})))
	replayed("another process, or this one after a restart", authorityOn(t, a.database), assertion)
	if got := a.ask(other.sign(t, nil, claims("client-b").with(fields{"jti": c["jti"]}))); got.status != http.StatusOK {
		t.Errorf("another client's of the same jti: %d %s", got.status, got.Description)
	}

	// Two at the same time, to two processes.
	assertion = key.sign(t, nil, claims("client-a"))
	b := authorityOn(t, a.database)
	statuses := make(chan int, 8)
	for i := range cap(statuses) {
		go func() { statuses <- []*authority{a, b}[i%2].ask(assertion).status }()
	}
	given := 0
	for range cap(statuses) {
		if <-statuses == http.StatusOK {
			given++
		}
	}
	if given != 1 {
		t.Errorf("%d tokens for one assertion", given)
	}
}

// TestSwept: what has expired for long is not kept, and what has just expired is.
func TestSwept(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	spend := func(jti string, until time.Time) bool {
		first, err := a.Ledger.SpendAssertion(t.Context(), "client-a", jti, until)
		check(t, err)
		return first
	}
	spend("old", time.Now().Add(-time.Hour))
	spend("recent", time.Now().Add(-time.Minute))
	spend("now", time.Now())
	if !spend("old", time.Now()) || spend("recent", time.Now()) {
		t.Error("the old one is still there, or the recent one is not")
	}
	// The life of a token is the database's to judge.
	check(t, a.Ledger.AddAccessToken(t.Context(), ledger.AccessToken{Hash: "h", Supplier: "clinic-a", ClientID: "client-a", Scope: ScopeWrite}, -time.Second))
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKS: publicSet(t, ecKey(t, "k"))}, supplier.Policy{})
	if _, _, err := a.Ledger.AccessToken(t.Context(), "h"); err == nil {
		t.Error("an expired token is good")
	}
}

// TestWorthNothing: a token ends with what it was given for.
func TestWorthNothing(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecKey(t, "k")
	credentials := supplier.Credentials{ClientID: "client-a", JWKS: publicSet(t, key)}
	a.declare("clinic-a", credentials, supplier.Policy{})
	isGood := func(token string) bool {
		_, _, err := a.Ledger.AccessToken(t.Context(), supplier.HashOf(token))
		return err == nil
	}
	token := a.ask(key.sign(t, nil, claims("client-a"))).AccessToken
	if !isGood(token) || isGood(token+"x") {
		t.Error("the token is not good, or another one is")
	}
	renamed := credentials
	renamed.ClientID = "client-b"
	a.declare("clinic-a", renamed, supplier.Policy{})
	if isGood(token) {
		t.Error("the token is good for another client id")
	}
	a.declare("clinic-a", credentials, supplier.Policy{})
	check(t, a.Ledger.RemoveSupplier(t.Context(), "clinic-a"))
	if isGood(token) {
		t.Error("the token of a removed supplier is good")
	}
	a.declare("clinic-a", credentials, supplier.Policy{})
	if isGood(token) {
		t.Error("the token is good again since its supplier was brought back")
	}
	if err := a.Ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "clinic-b", Credentials: credentials}, false); err == nil || !strings.Contains(err.Error(), "client_id: is that of supplier clinic-a") {
		t.Errorf("another supplier of the same client id: %v", err)
	}
}

// TestRequests: what is not a request for a token is told so by RFC 6749's words.
func TestRequests(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecKey(t, "k")
	a.declare("clinic-a", supplier.Credentials{ClientID: "client-a", JWKS: publicSet(t, key)}, supplier.Policy{})
	allowed := true
	a.Admit = func(ledger.Supplier) (time.Duration, bool) { return 7 * time.Second, allowed }
	body := func(name string, values ...string) string {
		f := form(key.sign(t, nil, claims("client-a")))
		if f[name] = values; values == nil {
			delete(f, name)
		}
		return f.Encode()
	}
	for _, tt := range []struct {
		name, body, contentType string
		status                  int
		code                    string
	}{
		{"good", body("scope", ScopeWrite), formType + "; charset=UTF-8", 200, ""},
		{"no scope", body("scope"), formType, 200, ""},
		{"client_id too", body("client_id", "client-a"), formType, 200, ""},
		{"another client_id", body("client_id", "client-b"), formType, 401, "invalid_client"},
		{"JSON", "{}", "application/json", 400, "invalid_request"},
		{"no type", body("scope"), "", 400, "invalid_request"},
		{"no grant", body("grant_type"), formType, 400, "invalid_request"},
		{"another grant", body("grant_type", "authorization_code"), formType, 400, "unsupported_grant_type"},
		{"twice", body("scope", ScopeWrite, ScopeRead), formType, 400, "invalid_request"},
		{"a secret", body("client_assertion_type"), formType, 401, "invalid_client"},
		{"no assertion", body("client_assertion"), formType, 401, "invalid_client"},
		{"one type only", body("scope", "system/Patient.write"), formType, 400, "invalid_scope"},
		{"of a user", body("scope", "user/*.write"), formType, 400, "invalid_scope"},
		{"huge", body("x", strings.Repeat("x", maxForm)), formType, 400, "invalid_request"},
		{"no form", "%zz", formType, 400, "invalid_request"},
	} {
		got := a.post(tt.body, tt.contentType)
		if got.status != tt.status || got.Code != tt.code || (tt.code == "") != (got.AccessToken != "") || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %s", tt.name, got.status, got.Code, got.Description)
		}
	}
	allowed = false
	assertion := key.sign(t, nil, claims("client-a"))
	if got := a.ask(assertion); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "8" {
		t.Errorf("over its rate: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	allowed = true
	if got := a.ask(assertion); got.status != http.StatusOK {
		t.Errorf("later, with the assertion that was not used: %d %s", got.status, got.Description)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		asked, granted string
		delivers       bool
	}{
		{"", ScopeWrite, true},
		{"  ", ScopeWrite, true},
		{"system/*.write", "system/*.write", true},
		{"system/*.*", "system/*.*", true},
		{"system/*.cruds", "system/*.cruds", true},
		{"system/*.u", "system/*.u", true},
		{"system/bulk-submit", "system/bulk-submit", true},
		{"openid system/*.rs system/Patient.write", "system/*.rs", false},
		{"system/*.read", "system/*.read", false},
		{"system/*.d", "", false},
		{"system/*.sr", "", false},
		{"system/*.cc", "", false},
		{"system/*.", "", false},
		{"system/*.rs?name=x", "", false},
		{"system/*", "", false},
		{"*", "", false},
		{"patient/*.write", "", false},
	} {
		granted, err := grant(tt.asked)
		if granted != tt.granted || (err == nil) != (tt.granted != "") || MayDeliver(granted) != tt.delivers {
			t.Errorf("%q: %q, %v, delivers %v; want %q, %v", tt.asked, granted, err, MayDeliver(granted), tt.granted, tt.delivers)
		}
	}
	for _, scope := range offered {
		if powerOf(scope) == nothing {
			t.Errorf("%s is offered and grants nothing", scope)
		}
	}
}
