package smart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Limits on sets of keys.
const (
	maxKeySet  = 64 << 10 // bytes
	maxKeys    = 100
	minModulus = 2048 // bits of RSA
	maxModulus = 8192 // longer ones cost more to check than they are worth
)

// KeySet are the public keys of a client that can be used here.
type KeySet struct{ keys []publicKey }

type publicKey struct {
	id  string
	alg jwa.SignatureAlgorithm
	key any // *rsa.PublicKey or *ecdsa.PublicKey
}

// ParseKeySet reads a JSON Web Key Set (RFC 7517, section 5). Keys that are not public ones for RS384 or ES384,
// or have no id, are passed over, for a set may have others for other purposes. It is an error if none is left.
func ParseKeySet(text []byte) (KeySet, error) {
	if len(text) > maxKeySet {
		return KeySet{}, errors.New("a set of keys may have at most 64 KiB")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return KeySet{}, errors.New("not a JSON Web Key Set: must be an object with an array keys")
	}
	if len(set.Keys) > maxKeys {
		return KeySet{}, errors.New("a set of keys may have at most 100")
	}
	var k KeySet
	for _, raw := range set.Keys {
		if key, ok := parsePublic(raw); ok {
			k.keys = append(k.keys, key)
		}
	}
	if len(k.keys) == 0 {
		return KeySet{}, errors.New("none of the keys can be used: needed is a public key with kid, RSA of 2048 bits or more (for RS384) or EC of curve P-384 (for ES384)")
	}
	return k, nil
}

// parsePublic reads one key; ok is false for one that is of no use here.
func parsePublic(raw json.RawMessage) (k publicKey, ok bool) {
	parsed, err := jwk.ParseKey(raw)
	if err != nil {
		return k, false
	}
	if k.id, ok = parsed.KeyID(); !ok || k.id == "" {
		return k, false
	}
	if use, ok := parsed.KeyUsage(); ok && use != "sig" {
		return k, false
	}
	if ops, ok := parsed.KeyOps(); ok && !slices.Contains(ops, jwk.KeyOpVerify) {
		return k, false
	}
	if err := jwk.Export(parsed, &k.key); err != nil {
		return k, false
	}
	if k.alg, ok = algorithmOf(k.key); !ok {
		return k, false
	}
	if alg, ok := parsed.Algorithm(); ok && alg.String() != k.alg.String() {
		return k, false
	}
	return k, true
}

// algorithmOf is the one algorithm that a public key is used with here.
func algorithmOf(key any) (alg jwa.SignatureAlgorithm, ok bool) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return jwa.RS384(), bits >= minModulus && bits <= maxModulus && key.E >= 3
	case *ecdsa.PublicKey:
		return jwa.ES384(), key.Curve == elliptic.P384()
	default:
		return alg, false
	}
}

// find returns the keys of an id for an algorithm by its name; mostly one.
func (k KeySet) find(id, alg string) (found []publicKey) {
	for _, key := range k.keys {
		if key.id == id && key.alg.String() == alg {
			found = append(found, key)
		}
	}
	return found
}
