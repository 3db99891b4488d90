package invariant

import (
	"hash/maphash"
	"slices"
	"sync"
)

// marks are hashes of texts, for comparing many of them in less than quadratic time. With a
// seed of its own for each process, two texts with one hash of 64 bits are not a case that
// occurs, by chance or on purpose.
type marks struct {
	seed   maphash.Seed
	hashes []uint64
}

// pool holds marks between documents, so that none are allocated in the steady state.
type pool struct{ marks sync.Pool }

func newPool() *pool {
	seed := maphash.MakeSeed()
	return &pool{sync.Pool{New: func() any { return &marks{seed: seed} }}}
}

// maxKeptMarks is how many hashes are kept from one document to the next.
const maxKeptMarks = 1 << 16

func (p *pool) get() *marks { return p.marks.Get().(*marks) }

func (p *pool) put(m *marks) {
	if cap(m.hashes) <= maxKeptMarks {
		m.hashes = m.hashes[:0]
		p.marks.Put(m)
	}
}

func (m *marks) add(text []byte) { m.hashes = append(m.hashes, maphash.Bytes(m.seed, text)) }

// addPair adds two texts as one.
func (m *marks) addPair(a, b []byte) { m.hashes = append(m.hashes, m.pair(a, b)) }

// pair is the hash of two texts: the order of the two matters.
func (m *marks) pair(a, b []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	return maphash.Bytes(m.seed, a)*odd + maphash.Bytes(m.seed, b)
}

// addObject adds all members of an object, whatever their order.
func (m *marks) addObject(doc []byte, at int) { m.hashes = append(m.hashes, m.object(doc, at)) }

func (m *marks) object(doc []byte, at int) uint64 {
	var sum uint64
	for name, v := range members(doc, at) {
		sum += m.pair(name, text(doc, v))
	}
	return sum
}

// collect adds the texts at a path below a value.
func (m *marks) collect(doc []byte, at int, path ...string) {
	for e := range elements(doc, at) {
		if len(path) == 0 {
			m.add(text(doc, e))
			continue
		}
		for name, v := range members(doc, e) {
			if named(name, path[0]) {
				m.collect(doc, v, path[1:]...)
			}
		}
	}
}

// collectTree adds the texts of a member of objects and of those nested in them. Documents
// are nested at most [lex.MaxDepth] deep.
func (m *marks) collectTree(doc []byte, at int, name, nested string) {
	for e := range elements(doc, at) {
		for n, v := range members(doc, e) {
			switch string(n) {
			case name:
				m.add(text(doc, v))
			case nested:
				m.collectTree(doc, v, name, nested)
			}
		}
	}
}

func (m *marks) sort() { slices.Sort(m.hashes) }

// collectPairs adds two members of each element of an array, together.
func (m *marks) collectPairs(doc []byte, at int, a, b string) {
	for e := range elements(doc, at) {
		m.addPair(text(doc, member(doc, e, a)), text(doc, member(doc, e, b)))
	}
}

// distinct sorts the marks and reports whether each is there once.
func (m *marks) distinct() bool {
	m.sort()
	for i := 1; i < len(m.hashes); i++ {
		if m.hashes[i] == m.hashes[i-1] {
			return false
		}
	}
	return true
}

// has reports whether a text is among marks that are sorted.
func (m *marks) has(text []byte) bool { return m.hasHash(maphash.Bytes(m.seed, text)) }

// hasObject reports whether an object is among marks that are sorted.
func (m *marks) hasObject(doc []byte, at int) bool { return m.hasHash(m.object(doc, at)) }

func (m *marks) hasHash(h uint64) bool {
	_, ok := slices.BinarySearch(m.hashes, h)
	return ok
}

// distinct holds where the texts at a path below an element differ from one another.
func (p *pool) distinct(name string, path ...string) cond {
	return on(name, func(doc []byte, at int) bool {
		m := p.get()
		defer p.put(m)
		m.collect(doc, at, path...)
		return m.distinct()
	})
}

// distinctPairs is distinct for two members of the elements of an array together.
func (p *pool) distinctPairs(name, a, b string) cond {
	return on(name, func(doc []byte, at int) bool {
		m := p.get()
		defer p.put(m)
		m.collectPairs(doc, at, a, b)
		return m.distinct()
	})
}

// distinctTree is distinct for a member of an element's objects and those nested in them.
func (p *pool) distinctTree(tree, name, nested string) cond {
	return on(tree, func(doc []byte, at int) bool {
		m := p.get()
		defer p.put(m)
		m.collectTree(doc, at, name, nested)
		return m.distinct()
	})
}

// within holds where the texts at one path are all among those at another.
func (p *pool) within(a string, path []string, b string, among ...string) cond {
	return on2(a, b, func(doc []byte, a, b int) bool {
		m := p.get()
		defer p.put(m)
		m.collect(doc, b, among...)
		m.sort()
		return all(doc, a, func(doc []byte, at int) bool { return m.has(text(doc, at)) }, path...)
	})
}
