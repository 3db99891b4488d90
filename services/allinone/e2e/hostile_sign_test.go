package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func encode64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// claimed is the first two parts of an assertion.
func claimed(alg, jti, audience string) string {
	header := fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":"k"}`, alg)
	claims := fmt.Sprintf(`{"iss":"hostile","sub":"hostile","aud":%q,"exp":%d,"jti":%q}`, audience, time.Now().Add(4*time.Minute).Unix(), jti)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
}

// signed is an assertion of a key.
func signed(t *testing.T, key *ecdsa.PrivateKey, what string) string {
	t.Helper()
	sum := sha512.Sum384([]byte(what))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return what + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...))
}

// token asks for one.
func (h *hostile) token(t *testing.T, assertion string) (status int, token, text string) {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	resp, text := h.ask(t, "POST", "/auth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return resp.StatusCode, answer.AccessToken, text
}

// forgesAssertions: without its key nobody gets a supplier's token, and with it not another's.
func (h *hostile) forgesAssertions(t *testing.T) {
	here := h.base + "/auth/token"
	der, err := x509.MarshalPKIXPublicKey(h.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mac := func(alg string, size crypto.Hash, key []byte) string {
		what := claimed(alg, "mac", here)
		m := hmac.New(size.New, key)
		m.Write([]byte(what))
		return what + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	other, err := ecdsa.GenerateKey(h.key.Curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := signed(t, h.key, claimed("ES384", "good", here))
	parts := strings.Split(good, ".")
	for name, assertion := range map[string]string{
		"alg none": claimed("none", "none", here) + ".", "alg nOnE": claimed("nOnE", "none", here) + ".", "alg empty": claimed("", "none", here) + ".",
		"no signature": claimed("ES384", "none", here) + ".", "zeros as signature": claimed("ES384", "zero", here) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 96)),
		"HS256 with the public key": mac("HS256", crypto.SHA256, public), "HS384 with the public key": mac("HS384", crypto.SHA384, public), "ES384 that is HS384": mac("ES384", crypto.SHA384, der),
		"RS384 with an EC key": signed(t, h.key, claimed("RS384", "rs", here)), "another key": signed(t, other, claimed("ES384", "other", here)),
		"for another server": signed(t, h.key, claimed("ES384", "else", "https://other.example/auth/token")), "for this server by another name": signed(t, h.key, claimed("ES384", "name", strings.Replace(here, "127.0.0.1", "evil.example", 1))),
		"others' claims": parts[0] + "." + strings.Split(claimed("ES384", "mine", here), ".")[1] + "." + parts[2],
	} {
		if status, token, text := h.token(t, assertion); status != http.StatusUnauthorized || token != "" || !strings.Contains(text, "invalid_client") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	status, token, text := h.token(t, good)
	if status != http.StatusOK {
		t.Fatalf("the good one: %d %s", status, text)
	}
	if resp, text := h.ask(t, "GET", "/imports/"+h.victim, "", "Authorization", "Bearer "+token); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another's import by an access token: %d %s", resp.StatusCode, text)
	}
}

// replaysAssertion: an assertion is good for one token, also where it is used several times at once.
func (h *hostile) replaysAssertion(t *testing.T) {
	assertion := signed(t, h.key, claimed("ES384", "once", h.base+"/auth/token"))
	statuses := make(chan int)
	for range 8 {
		go func() {
			status, _, _ := h.token(t, assertion)
			statuses <- status
		}()
	}
	given := 0
	for range 8 {
		if status := <-statuses; status == http.StatusOK {
			given++
		} else if status != http.StatusUnauthorized {
			t.Errorf("answered with %d", status)
		}
	}
	if given != 1 {
		t.Errorf("%d tokens were given", given)
	}
}
