package supplier

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// tokenPrefix begins every token, so that one that was published by mistake can be recognised.
const tokenPrefix = "stk."

// tokenBytes is how much of a token is random.
const tokenBytes = 32

// hashPrefix names what a hash is.
const hashPrefix = "sha256:"

// NewToken makes a bearer token of a supplier: stk.<supplier>.<43 characters>. It is shown once, and its
// hash is kept.
func NewToken(name string) (token, hash string) {
	var secret [tokenBytes]byte
	_, _ = rand.Read(secret[:]) // it never fails, and ends the process if the system has no random numbers
	token = tokenPrefix + name + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, HashOf(token)
}

// HashOf is the hash by which a token is known: sha256: and 64 hexadecimal digits.
func HashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// TokenName returns the supplier that a token says it is of; whether it is, is for
// [Credentials.Accepts] to tell.
func TokenName(token string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return "", false
	}
	name, _, ok = strings.Cut(rest, ".")
	return name, ok
}

// Accepts reports whether a token is one of the supplier's. It takes as long for every token.
func (c Credentials) Accepts(token string) bool {
	return Matches(token, c.TokenHashes...)
}

// Matches reports whether a token has one of the hashes, in a time that does not depend on which.
func Matches(token string, hashes ...string) bool {
	got, found := []byte(HashOf(token)), 0
	for _, h := range hashes {
		found |= subtle.ConstantTimeCompare(got, []byte(h))
	}
	return found == 1
}

func checkHash(h string) error {
	digits, ok := strings.CutPrefix(h, hashPrefix)
	if sum, err := hex.DecodeString(digits); !ok || err != nil || len(sum) != sha256.Size || strings.ToLower(h) != h {
		return errors.New("must be sha256: and 64 hexadecimal digits in lower case, as \"stoker supplier token\" prints it")
	}
	return nil
}
