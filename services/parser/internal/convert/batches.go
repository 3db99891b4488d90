package convert

import (
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// maxKept is how many bytes of buffers are kept from one chunk to the next.
const maxKept = 4 << 20

// recordOverhead is more than a record needs besides ids and body: tags, lengths, numbers,
// hash.
const recordOverhead = 96

// Small records are text, of which S2 leaves about a quarter. What cannot be compressed, as photographs in Base64, makes a record large.
const (
	smallRecord = 32 << 10
	smallShare  = 4
)

// batches collects the records of one chunk by type.
type batches struct {
	limit   int // of a body's weight in bytes, unless one record is heavier
	share   int // of its bytes that a small record weighs: one in so many
	header  fhirmsg.BatchHeader
	groups  map[string]*group // of all types ever seen
	current []*group          // with records, in the order of their first
	sealed  []fhirmsg.Batch
	free    [][]byte // buffers
}

// group is the batch of a type that is being filled.
type group struct {
	resourceType string
	part, rows   int
	weight       int
	body         []byte
	current      bool
}

func newBatches(limit int) batches { return batches{limit: limit, groups: map[string]*group{}} }

// begin forgets the chunk before. Its buffers are used again.
func (b *batches) begin(c fhirmsg.ChunkHeader) {
	b.header = fhirmsg.BatchHeader{Import: c.Import, Place: c.Place}
	b.share = smallShare
	if c.Import.Rules < 6 {
		b.share = 1
	}
	for _, g := range b.current { // left where a chunk ended with an error
		b.free = append(b.free, g.body)
		*g = group{resourceType: g.resourceType}
	}
	for _, s := range b.sealed {
		b.free = append(b.free, s.Body)
	}
	clear(b.sealed)
	b.current, b.sealed = b.current[:0], b.sealed[:0]
	size, kept := 0, b.free[:0]
	for _, buf := range b.free {
		if size+cap(buf) <= maxKept && cap(buf) > 0 {
			size += cap(buf)
			kept = append(kept, buf[:0])
		}
	}
	clear(b.free[len(kept):])
	b.free = kept
}

// add appends a record to the batch of its type.
func (b *batches) add(resourceType []byte, r *fhirmsg.Record) {
	g := b.groups[string(resourceType)]
	if g == nil {
		g = &group{resourceType: string(resourceType)}
		b.groups[g.resourceType] = g
	}
	if !g.current {
		g.current = true
		b.current = append(b.current, g)
	}
	weight := len(r.ID) + len(r.OriginalID) + len(r.Body) + recordOverhead
	if weight < smallRecord {
		weight /= b.share
	}
	if g.rows > 0 && g.weight+weight > b.limit {
		b.seal(g)
	}
	g.weight += weight
	if g.body == nil {
		g.body = b.buffer()
	}
	g.body = fhirmsg.AppendRecord(g.body, *r)
	g.rows++
}

func (b *batches) buffer() []byte {
	n := len(b.free)
	if n == 0 {
		return nil
	}
	buf := b.free[n-1]
	b.free = b.free[:n-1]
	return buf
}

func (b *batches) seal(g *group) {
	batch := fhirmsg.Batch{BatchHeader: b.header, Body: g.body}
	batch.Type, batch.Part, batch.Rows = g.resourceType, g.part, g.rows
	batch.Seal()
	b.sealed = append(b.sealed, batch)
	g.part, g.rows, g.weight, g.body = g.part+1, 0, 0, nil
}

// finish returns all batches.
func (b *batches) finish() []fhirmsg.Batch {
	for _, g := range b.current {
		b.seal(g)
		*g = group{resourceType: g.resourceType}
	}
	b.current = b.current[:0]
	return b.sealed
}
