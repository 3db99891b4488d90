package smart

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jws"
)

const (
	// MaxLife is how far in the future an assertion may expire.
	MaxLife = 5 * time.Minute
	// Skew is how much the clocks of both sides may differ.
	Skew = 30 * time.Second
)

const maxID = 512 // bytes of a client id or a jti

// assertion is what a client says of itself (RFC 7523, section 3), signed or not.
type assertion struct {
	compact []byte
	header  assertionHeader
	claims  assertionClaims
}

type assertionHeader struct {
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Type      string          `json:"typ"`
	KeysURL   string          `json:"jku"`
	Critical  json.RawMessage `json:"crit"`
}

type assertionClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   *float64 `json:"exp"` // seconds since 1970, as the others
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
	ID        string   `json:"jti"`
}

// audience is one text or an array of them (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// decodeAssertion reads an assertion in its compact form. Nothing of it is checked.
func decodeAssertion(text string) (a assertion, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return a, errors.New("the assertion is not a JWT in compact form")
	}
	a.compact = []byte(text)
	for _, part := range []struct {
		what, text string
		into       any
	}{{"header", parts[0], &a.header}, {"claims", parts[1], &a.claims}} {
		decoded, err := base64.RawURLEncoding.DecodeString(part.text)
		if err == nil {
			err = json.Unmarshal(decoded, part.into)
		}
		if err != nil {
			return assertion{}, fmt.Errorf("the %s of the assertion cannot be read", part.what)
		}
	}
	return a, nil
}

// check judges everything but the signature. Errors tell the client what to mend.
func (a assertion) check(audience string, now time.Time) error {
	h, c := a.header, a.claims
	switch {
	case h.Algorithm != "RS384" && h.Algorithm != "ES384":
		return errors.New("alg must be RS384 or ES384")
	case h.Type != "" && !strings.EqualFold(h.Type, "JWT"):
		return errors.New("typ must be JWT")
	case h.Critical != nil:
		return errors.New("no crit is known here")
	case h.KeyID == "":
		return errors.New("kid is missing")
	case c.Issuer == "" || c.Issuer != c.Subject || len(c.Issuer) > maxID || strings.ContainsRune(c.Issuer, 0):
		return errors.New("iss and sub must be the client id")
	case len(c.Audience) != 1 || c.Audience[0] != audience:
		return fmt.Errorf("aud must be %s", audience)
	case c.ID == "" || len(c.ID) > maxID:
		return errors.New("jti must be there, and have at most 512 bytes")
	case c.Expires == nil:
		return errors.New("exp is missing")
	case *c.Expires <= seconds(now.Add(-Skew)):
		return errors.New("exp has passed")
	case *c.Expires > seconds(now.Add(MaxLife+Skew)):
		return errors.New("exp must be at most 5 minutes ahead")
	case c.NotBefore != nil && *c.NotBefore > seconds(now.Add(Skew)):
		return errors.New("nbf is in the future")
	case c.IssuedAt != nil && *c.IssuedAt > seconds(now.Add(Skew)):
		return errors.New("iat is in the future")
	}
	return nil
}

// seconds is a time as assertions tell it, since 1970.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// expires is when the assertion is worth nothing any more, whoever's clock one asks.
func (a assertion) expires() time.Time { return time.Unix(int64(*a.claims.Expires), 0).Add(2 * Skew) }

// errSignature says neither whether there is such a client nor which of its keys was tried.
var errSignature = errors.New("the client, its key or the signature is not known")

// verify checks the signature by a client's keys.
func (a assertion) verify(keys []publicKey) error {
	for _, k := range keys {
		// Algorithm and key are of the registered key, whatever the header says.
		payload, err := jws.Verify(a.compact, jws.WithKey(k.alg, k.key), jws.WithCompact())
		if err != nil {
			continue
		}
		// What was checked is what was signed.
		_, rest, _ := strings.Cut(string(a.compact), ".")
		claims, _, _ := strings.Cut(rest, ".")
		if signed, err := base64.RawURLEncoding.DecodeString(claims); err == nil && bytes.Equal(signed, payload) {
			return nil
		}
	}
	return errSignature
}
