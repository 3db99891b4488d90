package generate

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"math/rand/v2"
)

// purpose keeps the streams of one seed apart. The values are part of what a seed means.
type purpose uint64

const (
	forPatient  purpose = 1
	forSite     purpose = 2
	forStaff    purpose = 3
	forInsurer  purpose = 4
	forIDs      purpose = 1 << 8  // plus the kind
	forRevision purpose = 1 << 16 // plus the revision
)

// random is a stream of chance. Only the PCG generator is taken from the library: its output
// is specified, while how other functions use it is this package's to keep stable.
type random struct{ pcg rand.PCG }

// newRandom makes the stream for item n of owner a: the same for the same arguments, and
// unrelated for any others.
func newRandom(seed uint64, p purpose, a, n uint64) random {
	high := mix(mix(mix(seed)+uint64(p)) + a)
	var r random
	r.pcg.Seed(high, mix(high+n))
	return r
}

// mix spreads a difference in any bit over all bits, one to one (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below is a number from 0 to n-1. Its bias, of n in 2^64, does not matter here.
func (r *random) below(n int64) int64 {
	high, _ := bits.Mul64(r.pcg.Uint64(), uint64(n))
	return int64(high)
}

// between is a number from low to high, both included.
func (r *random) between(low, high int64) int64 { return low + r.below(high-low+1) }

// chance is true in so many cases of a hundred.
func (r *random) chance(percent int64) bool { return r.below(100) < percent }

// pick is one of the list.
func pick[T any](r *random, list []T) T { return list[r.below(int64(len(list)))] }

// id is a resource's id in the form of a random UUID (RFC 9562, version 4).
type id [36]byte

// idOf is the id of the n-th resource of a kind that belongs to owner, a patient or a site. It
// takes nothing from the streams of content, so that ids stay when content changes.
func (g *generator) idOf(k kind, owner, n uint64) id {
	r := newRandom(g.seed, forIDs+purpose(k), owner, n)
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], r.pcg.Uint64())
	binary.BigEndian.PutUint64(raw[8:], r.pcg.Uint64())
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var out id
	hex.Encode(out[0:8], raw[0:4])
	hex.Encode(out[9:13], raw[4:6])
	hex.Encode(out[14:18], raw[6:8])
	hex.Encode(out[19:23], raw[8:10])
	hex.Encode(out[24:36], raw[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return out
}
