package fhirmsg

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"
)

// envelopeV1 is the first byte of an envelope.
const envelopeV1 = 1

// MaxBody is the greatest size in bytes of a body after decompression: the largest line
// that can be configured, with room for what surrounds it.
const MaxBody = MaxMaxLine + 1<<20

// ErrEnvelope is returned for bytes that are not an envelope that this version reads.
var ErrEnvelope = errors.New("not a valid message envelope")

// AppendEnvelope appends a message to dst, which is best reused, since compressing needs room
// for more than the message has in the end:
//
//	byte     1, the version of the envelope
//	uvarint  length of the header
//	bytes    header, a JSON object
//	bytes    body, one S2 block
func AppendEnvelope(dst []byte, header any, body []byte) ([]byte, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	dst = append(dst, envelopeV1)
	dst = binary.AppendUvarint(dst, uint64(len(head)))
	dst = append(dst, head...)
	// The codec wants room for the worst case, which a reused dst has already.
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(body)))
	packed := s2.Encode(dst[len(dst):cap(dst)], body)
	return dst[:len(dst)+len(packed)], nil
}

// DecodeEnvelope reads the header into header and appends the body to dst[:0].
// Errors are [ErrEnvelope]; they hold nothing of the content.
func DecodeEnvelope(msg []byte, header any, dst []byte) ([]byte, error) {
	packed, err := decodeHeader(msg, header)
	if err != nil {
		return nil, err
	}
	n, err := s2.DecodedLen(packed)
	if err != nil || n > MaxBody {
		return nil, fmt.Errorf("%w: body of unknown or excessive size", ErrEnvelope)
	}
	body, err := s2.Decode(dst[:cap(dst)], packed)
	if err != nil {
		return nil, fmt.Errorf("%w: body is not S2", ErrEnvelope)
	}
	return body, nil
}

// decodeHeader reads the header and returns the packed body.
func decodeHeader(msg []byte, header any) ([]byte, error) {
	if len(msg) == 0 || msg[0] != envelopeV1 {
		return nil, fmt.Errorf("%w: unknown version", ErrEnvelope)
	}
	size, n := binary.Uvarint(msg[1:])
	rest := msg[1:]
	if n <= 0 || size > uint64(len(rest)-n) {
		return nil, fmt.Errorf("%w: header is cut short", ErrEnvelope)
	}
	head := rest[n : n+int(size)]
	if err := json.Unmarshal(head, header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrEnvelope, err)
	}
	return rest[n+int(size):], nil
}
