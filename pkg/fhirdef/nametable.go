package fhirdef

import (
	"encoding/binary"
	"math/bits"
)

// nameTable finds values by name: an open hash table that never changes. It is made so that
// nearly every name is where it is first looked for; see BenchmarkMember.
type nameTable[T any] struct {
	slots []slot[T] // as many as a power of two, at most a quarter of them in use
	seed  uint64
	shift uint8
	order []string
}

type slot[T any] struct {
	name  string
	value *T // nil in an empty slot
}

// maxSeeds is how many seeds are tried for one with which no two names collide. Colliding
// ones are found too: in the slots that follow.
const maxSeeds = 64

// newNameTable makes a table of names, no two of them equal, and of the value of each.
func newNameTable[T any](names []string, values []*T) nameTable[T] {
	size := uint(bits.Len(uint(max(len(names), 2)*4 - 1)))
	t := nameTable[T]{slots: make([]slot[T], 1<<size), shift: uint8(64 - size), order: names}
	best, fewest := uint64(0), len(names)+1
	used := make([]uint16, 1<<size) // by which attempt
	for attempt := uint64(1); attempt <= maxSeeds && fewest > 0; attempt++ {
		seed := attempt*0x9E3779B97F4A7C15 | 1 // odd, with bits all over
		collisions := 0
		for _, name := range names {
			i := hashName([]byte(name), seed) >> t.shift
			if used[i] == uint16(attempt) {
				collisions++
			}
			used[i] = uint16(attempt)
		}
		if collisions < fewest {
			best, fewest = seed, collisions
		}
	}
	t.seed = best
	mask := uint64(len(t.slots) - 1)
	for n, name := range names {
		i := hashName([]byte(name), t.seed) >> t.shift
		for t.slots[i].value != nil {
			i = (i + 1) & mask
		}
		t.slots[i] = slot[T]{name, values[n]}
	}
	return t
}

// find returns the value of a name, or nil. It allocates nothing.
func (t *nameTable[T]) find(name []byte) *T {
	if len(t.slots) == 0 {
		return nil
	}
	i := hashName(name, t.seed) >> t.shift
	for {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.value == nil || s.name == string(name) {
			return s.value
		}
		i++
	}
}

// names returns the names in the order in which they were given.
func (t *nameTable[T]) names() []string { return t.order }

// hashName mixes the length, the first and the last bytes of a name.
func hashName(name []byte, seed uint64) uint64 {
	var first, last uint64
	switch n := len(name); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(name)), uint64(binary.LittleEndian.Uint32(name[n-4:]))
	case n > 0:
		first, last = uint64(name[0])|uint64(name[n/2])<<8, uint64(name[n-1])
	}
	high, low := bits.Mul64(first^seed, last^uint64(len(name))<<56^0x9E3779B97F4A7C15)
	return high ^ low
}
