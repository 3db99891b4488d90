package smart

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// PrivateKey is what assertions are signed with. It is never printed.
type PrivateKey struct {
	id     string
	alg    jwa.SignatureAlgorithm
	signer crypto.Signer
}

// Format implements [fmt.Formatter] and hides the key from every verb.
func (PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// ReadPrivateKey reads a private key, in PEM (PKCS #8, PKCS #1 or SEC 1) or as a JSON Web Key, RSA of 2048 bits or more, or EC
// of curve P-384. The id is what the server knows the key by; "" is what the key itself says, or its thumbprint (RFC 7638).
// Errors hold nothing of the text.
func ReadPrivateKey(text []byte, id string) (PrivateKey, error) {
	text = bytes.TrimSpace(text)
	parsed, err := jwk.ParseKey(text, jwk.WithPEM(!bytes.HasPrefix(text, []byte("{"))))
	if err != nil {
		return PrivateKey{}, errors.New("private key: neither PEM nor a JSON Web Key that can be read")
	}
	var raw any
	if err := jwk.Export(parsed, &raw); err != nil {
		return PrivateKey{}, errors.New("private key: of a kind that is not known here")
	}
	k := PrivateKey{id: id}
	var ok bool
	if k.signer, ok = raw.(crypto.Signer); ok {
		k.alg, ok = algorithmOf(k.signer.Public())
	}
	if !ok {
		return PrivateKey{}, errors.New("private key: must be a private key, RSA of 2048 bits or more or EC of curve P-384")
	}
	if k.id == "" {
		k.id, _ = parsed.KeyID() // "" is none
	}
	if k.id == "" {
		sum, err := parsed.Thumbprint(crypto.SHA256)
		if err != nil {
			return PrivateKey{}, errors.New("private key: has no thumbprint")
		}
		k.id = base64.RawURLEncoding.EncodeToString(sum)
	}
	return k, nil
}

// NewPrivateKey makes a key for ES384 and returns it as a JSON Web Key, for a file.
func NewPrivateKey() ([]byte, error) {
	raw, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a private key: %w", err)
	}
	key, err := jwk.Import(raw)
	if err == nil {
		err = jwk.AssignKeyID(key)
	}
	if err == nil {
		err = key.Set(jwk.AlgorithmKey, jwa.ES384())
	}
	if err != nil {
		return nil, errors.New("make a private key: it cannot be written as a JSON Web Key")
	}
	return json.Marshal(key)
}

// PublicSet is the JSON Web Key Set by which the other side knows the key.
func (k PrivateKey) PublicSet() ([]byte, error) {
	key, err := jwk.Import(k.signer.Public())
	if err != nil {
		return nil, errors.New("public key: cannot be written as a JSON Web Key")
	}
	set := jwk.NewSet()
	err = errors.Join(key.Set(jwk.KeyIDKey, k.id), key.Set(jwk.AlgorithmKey, k.alg), key.Set(jwk.KeyUsageKey, "sig"), set.AddKey(key))
	if err != nil {
		return nil, errors.New("public key: cannot be written as a JSON Web Key")
	}
	return json.Marshal(set)
}

// assertionLife is how far ahead our assertions expire: below what servers allow, for clocks that differ.
const assertionLife = 4 * time.Minute

// assert signs an assertion of a client for a token endpoint.
func (k PrivateKey) assert(clientID, tokenURL string, now time.Time) (string, error) {
	var id [24]byte
	_, _ = rand.Read(id[:]) // it never fails, and ends the process if the system has no random numbers
	claims, err := json.Marshal(map[string]any{
		"iss": clientID, "sub": clientID, "aud": tokenURL, "jti": base64.RawURLEncoding.EncodeToString(id[:]),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("assertion: %w", err)
	}
	header := jws.NewHeaders()
	err = errors.Join(header.Set(jws.TypeKey, "JWT"), header.Set(jws.KeyIDKey, k.id))
	var signed []byte
	if err == nil {
		signed, err = jws.Sign(claims, jws.WithKey(k.alg, k.signer, jws.WithProtectedHeaders(header)))
	}
	if err != nil {
		return "", errors.New("assertion: cannot be signed with this key")
	}
	return string(signed), nil
}
