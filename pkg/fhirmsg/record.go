package fhirmsg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// Record is one resource in a batch, or the deletion of one.
type Record struct {
	ID        []byte // the key within type and dataset
	Stamp     int64  // microseconds since 1970; the other parts of the version follow from the batch and below
	Line      int64
	Entry     int32
	Hash      Hash // of the content; zero for a deletion
	Deleted   bool
	Subsetted bool   // the resource is incomplete (meta.tag SUBSETTED) and never replaces a full one
	Body      []byte // the resource as it came; empty for a deletion

	OriginalID []byte // what its supplier calls it, where ID is made of that ([KeysScoped])
}

// Ordinal is the record's place in its import.
func (r Record) Ordinal(file int32) Ordinal {
	return Ordinal{File: file, Line: r.Line, Entry: r.Entry}
}

// ErrRecord is returned for a batch's body that cannot be read.
var ErrRecord = errors.New("not a valid record")

// Field tags of a record in the wire format of Protocol Buffers
// (https://protobuf.dev/programming-guides/encoding/): number<<3 | wire type. The schema
// is in docs/messages.md. Written by hand to keep the contract free of dependencies.
const (
	tagID        = 1<<3 | wireBytes
	tagStamp     = 2<<3 | wireVarint // sint64
	tagLine      = 3<<3 | wireVarint // uint64
	tagEntry     = 4<<3 | wireVarint // sint32
	tagHash      = 5<<3 | wireBytes
	tagDeleted   = 6<<3 | wireVarint // bool
	tagSubsetted = 7<<3 | wireVarint // bool
	tagOriginal  = 8<<3 | wireBytes
	tagBody      = 15<<3 | wireBytes

	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// AppendRecord appends r to a batch's body, preceded by its length. Absent and zero
// fields are left out, so that equal records have equal bytes.
func AppendRecord(dst []byte, r Record) []byte {
	dst = binary.AppendUvarint(dst, uint64(recordSize(r)))
	dst = appendBytes(dst, tagID, r.ID)
	if r.Stamp != 0 {
		dst = binary.AppendVarint(append(dst, tagStamp), r.Stamp)
	}
	if r.Line != 0 {
		dst = binary.AppendUvarint(append(dst, tagLine), uint64(r.Line))
	}
	if r.Entry != 0 {
		dst = binary.AppendVarint(append(dst, tagEntry), int64(r.Entry))
	}
	if r.Hash != (Hash{}) {
		dst = appendBytes(dst, tagHash, r.Hash[:])
	}
	if r.Deleted {
		dst = append(dst, tagDeleted, 1)
	}
	if r.Subsetted {
		dst = append(dst, tagSubsetted, 1)
	}
	if len(r.OriginalID) > 0 {
		dst = appendBytes(dst, tagOriginal, r.OriginalID)
	}
	if len(r.Body) > 0 {
		dst = appendBytes(dst, tagBody, r.Body)
	}
	return dst
}

func appendBytes(dst []byte, tag byte, b []byte) []byte {
	dst = append(dst, tag)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func recordSize(r Record) int {
	n := bytesSize(len(r.ID))
	if r.Stamp != 0 {
		n += 1 + varintSize(r.Stamp)
	}
	if r.Line != 0 {
		n += 1 + uvarintSize(uint64(r.Line))
	}
	if r.Entry != 0 {
		n += 1 + varintSize(int64(r.Entry))
	}
	if r.Hash != (Hash{}) {
		n += bytesSize(len(r.Hash))
	}
	if r.Deleted {
		n += 2
	}
	if r.Subsetted {
		n += 2
	}
	if len(r.OriginalID) > 0 {
		n += bytesSize(len(r.OriginalID))
	}
	if len(r.Body) > 0 {
		n += bytesSize(len(r.Body))
	}
	return n
}

func bytesSize(n int) int { return 1 + uvarintSize(uint64(n)) + n }

func varintSize(v int64) int { return uvarintSize(uint64(v)<<1 ^ uint64(v>>63)) }

func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// Records yields the records of the batch in order. Their bytes are parts of b.Body.
// After an error, [ErrRecord], nothing more is yielded.
func (b Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for rest := b.Body; len(rest) > 0; {
			size, n := binary.Uvarint(rest)
			if n <= 0 || size > uint64(len(rest)-n) {
				yield(Record{}, fmt.Errorf("%w: cut short", ErrRecord))
				return
			}
			end := n + int(size)
			r, err := decodeRecord(rest[n:end])
			if !yield(r, err) || err != nil {
				return
			}
			rest = rest[end:]
		}
	}
}

func decodeRecord(b []byte) (Record, error) {
	var r Record
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return r, fmt.Errorf("%w: tag", ErrRecord)
		}
		value, number, size, err := decodeField(b[n:], tag&7)
		if err != nil {
			return r, err
		}
		b = b[n+size:]
		switch tag {
		case tagID:
			r.ID = value
		case tagStamp:
			r.Stamp = unzigzag(number)
		case tagLine:
			r.Line = int64(number)
		case tagEntry:
			r.Entry = int32(unzigzag(number))
		case tagHash:
			if len(value) != len(r.Hash) {
				return r, fmt.Errorf("%w: hash of %d bytes", ErrRecord, len(value))
			}
			r.Hash = Hash(value)
		case tagDeleted:
			r.Deleted = number != 0
		case tagSubsetted:
			r.Subsetted = number != 0
		case tagOriginal:
			r.OriginalID = value
		case tagBody:
			r.Body = value
		}
	}
	return r, nil
}

// decodeField reads one field's value, of whatever number, and returns its size.
func decodeField(b []byte, wire uint64) (value []byte, number uint64, size int, err error) {
	switch wire {
	case wireVarint:
		number, size = binary.Uvarint(b)
		if size <= 0 {
			return nil, 0, 0, fmt.Errorf("%w: number", ErrRecord)
		}
		return nil, number, size, nil
	case wireBytes:
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return nil, 0, 0, fmt.Errorf("%w: field is cut short", ErrRecord)
		}
		return b[n : n+int(length)], 0, n + int(length), nil
	case wireFixed32, wireFixed64:
		size = 4
		if wire == wireFixed64 {
			size = 8
		}
		if len(b) < size {
			return nil, 0, 0, fmt.Errorf("%w: field is cut short", ErrRecord)
		}
		return nil, 0, size, nil
	default:
		return nil, 0, 0, fmt.Errorf("%w: wire type %d", ErrRecord, wire)
	}
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
