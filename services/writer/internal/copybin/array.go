package copybin

import "encoding/binary"

// Object ids of the types of arrays' elements (pg_type.dat of PostgreSQL; they never change).
const (
	OIDBool        = 16
	OIDInt8        = 20
	OIDInt4        = 23
	OIDText        = 25
	OIDTimestamptz = 1184
	OIDUUID        = 2950
)

// Array begins an array of n values of a type. The values follow, each as the
// functions of this package append it.
func Array(b []byte, oid uint32, n int) []byte {
	dimensions := uint32(1)
	if n == 0 {
		dimensions = 0
	}
	b = binary.BigEndian.AppendUint32(b, dimensions)
	b = binary.BigEndian.AppendUint32(b, 0) // PostgreSQL sees by itself whether there are nulls
	b = binary.BigEndian.AppendUint32(b, oid)
	if n == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return binary.BigEndian.AppendUint32(b, 1) // the first index
}
