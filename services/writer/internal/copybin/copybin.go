package copybin

import "encoding/binary"

// postgresEpoch is 2000-01-01T00:00:00Z in microseconds since 1970, where timestamptz
// counts from.
const postgresEpoch = 946684800 * 1e6

// NegativeInfinity is what [Micros] returns for '-infinity'.
const NegativeInfinity = -1 << 63

// Header begins a stream.
func Header(b []byte) []byte {
	return append(b, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
}

// Trailer ends a stream.
func Trailer(b []byte) []byte { return append(b, 0xff, 0xff) }

// Row begins a row of n fields.
func Row(b []byte, n int) []byte { return binary.BigEndian.AppendUint16(b, uint16(n)) }

// Text appends a text value.
func Text[T string | []byte](b []byte, v T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

// TextOrNull appends a text, or null for an empty one.
func TextOrNull(b, v []byte) []byte {
	if len(v) == 0 {
		return append(b, 0xff, 0xff, 0xff, 0xff)
	}
	return Text(b, v)
}

// Int32 appends an integer.
func Int32(b []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(v))
}

// Int64 appends a bigint.
func Int64(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(v))
}

// Time appends a timestamptz, from microseconds since 1970.
func Time(b []byte, micros int64) []byte { return Int64(b, micros-postgresEpoch) }

// Bool appends a boolean.
func Bool(b []byte, v bool) []byte {
	if v {
		return append(b, 0, 0, 0, 1, 1)
	}
	return append(b, 0, 0, 0, 1, 0)
}

// UUID appends a uuid.
func UUID(b []byte, v [16]byte) []byte { return append(append(b, 0, 0, 0, 16), v[:]...) }

// JSONB appends a jsonb value, which the server parses.
func JSONB(b, v []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(v)+1))
	return append(append(b, 1), v...) // 1 is the version of jsonb's binary form
}

// Micros reads a timestamptz in binary form as microseconds since 1970.
func Micros(raw []byte) int64 {
	v := int64(binary.BigEndian.Uint64(raw))
	if v == NegativeInfinity {
		return NegativeInfinity
	}
	return v + postgresEpoch
}
