package fhirmsg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash identifies content: the first 128 bits of a SHA-256. Suppliers are not trusted,
// so two contents with one hash must not be something that can be made.
type Hash [16]byte

// HashOf hashes b. For a resource, b is its JSON without insignificant white space.
func HashOf(b []byte) Hash {
	sum := sha256.Sum256(b)
	return Hash(sum[:16])
}

// String is the hash in lower-case hexadecimal, 32 digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("hash of %d digits, want %d", len(text), 2*len(h))
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return fmt.Errorf("hash: %w", err)
	}
	return nil
}
