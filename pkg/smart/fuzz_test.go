package smart

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzDecodeAssertion: whatever comes, nothing is taken that breaks a rule.
func FuzzDecodeAssertion(f *testing.F) {
	for _, seed := range []string{
		"", "..", "e30.e30.", "eyJhbGciOiJFUzM4NCIsImtpZCI6ImEifQ.eyJpc3MiOiJhIiwic3ViIjoiYSIsImF1ZCI6WyJhIl0sImV4cCI6MWUzMDAsImp0aSI6ImEifQ.AA",
		"eyJhbGciOiJub25lIn0.eyJhdWQiOjN9.",
	} {
		f.Add(seed)
	}
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := decodeAssertion(text)
		if err != nil {
			return
		}
		if a.check("https://a.example/token", now) != nil {
			return
		}
		if until := a.expires(); until.Before(now) || until.After(now.Add(MaxLife+4*Skew)) {
			t.Errorf("lives until %s", until)
		}
		if a.verify(nil) == nil {
			t.Error("is taken without a key")
		}
	})
}

func FuzzParseKeySet(f *testing.F) {
	for _, seed := range []string{
		"", `{"keys":[]}`, `{"keys":[null,3,{"kty":"oct","k":"AA","kid":"a"}]}`,
		`{"keys":[{"kty":"EC","kid":"a","crv":"P-384","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"RSA","kid":"a","n":"AA","e":"AQAB"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := ParseKeySet(text)
		if (err == nil) != (len(set.keys) > 0) {
			t.Errorf("%d keys, %v", len(set.keys), err)
		}
		for _, k := range set.keys {
			if alg, ok := algorithmOf(k.key); !ok || alg.String() != k.alg.String() || k.id == "" {
				t.Errorf("a key for %s", k.alg)
			}
		}
	})
}

// FuzzAnswers: what servers of suppliers answer. What is taken can be sent in a header, and lives for a while.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"token_endpoint":"https://a.example/token"}`, `{"access_token":"a","token_type":"Bearer","expires_in":"300"}`,
		`{"access_token":"a","expires_in":1e400}`, `{"rest":[{"security":{"extension":[{"url":"` + ExtensionOAuth + `","extension":[{"url":"token","valueUri":"https://a"}]}]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) (string, error){readConfiguration, readCapability} {
			if u, err := read(body); err == nil && !strings.Contains(strings.ToLower(u), "http") {
				t.Errorf("token endpoint %q", u)
			}
		}
		token, life, err := readToken(body)
		if err == nil && (token == "" || strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) || life < leastLife || life > mostLife) {
			t.Errorf("token %q for %s", token, life)
		}
		if r := readRefusal(400, body); strings.ContainsAny(r.Error(), "\r\n") {
			t.Errorf("refusal %q", r.Error())
		}
	})
}
