package fhirmsg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// ImportID names an import: a UUID, version 7 (RFC 9562, section 5.7), chosen by whoever
// asks for the import. The same id asked for twice is the same import.
type ImportID [16]byte

// NewImportID makes an id from the time, in milliseconds, and 10 bytes of random.
func NewImportID(now time.Time, random io.Reader) (ImportID, error) {
	var id ImportID
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		return ImportID{}, fmt.Errorf("random bytes for an import id: %w", err)
	}
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// ImportIDFromKey makes the id of a request that a supplier names by a key of its own, such as an
// Idempotency-Key: the same key gives the same id, so that a request that is sent again is the same import. It is a UUID,
// version 8 (RFC 9562, section 5.8), of the SHA-256 of both.
func ImportIDFromKey(supplier, key string) ImportID {
	sum := sha256.Sum256([]byte("stoker import\x00" + supplier + "\x00" + key))
	id := ImportID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseImportID reads the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.
func ParseImportID(s string) (ImportID, error) {
	var id ImportID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("import id %q: want the form 01977a3e-5a5c-7b3a-9c1d-2f1e0d9c8b7a", s)
	}
	plain := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(plain)); err != nil {
		return ImportID{}, fmt.Errorf("import id %q: %w", s, err)
	}
	return id, nil
}

// String is the form that [ParseImportID] reads.
func (id ImportID) String() string {
	text, _ := id.AppendText(nil)
	return string(text)
}

// AppendText implements [encoding.TextAppender].
func (id ImportID) AppendText(b []byte) ([]byte, error) {
	b = hex.AppendEncode(b, id[:4])
	for _, part := range [][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		b = append(b, '-')
		b = hex.AppendEncode(b, part)
	}
	return b, nil
}

// MarshalText implements [encoding.TextMarshaler].
func (id ImportID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *ImportID) UnmarshalText(text []byte) error {
	parsed, err := ParseImportID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
