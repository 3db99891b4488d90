package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// row is one resource on its way into a table.
type row struct {
	fhirmsg.Record
	version fhirmsg.Version
	batch   int    // of the group
	index   int    // in the batch
	prefix  uint64 // of the id, in its order

	wanted   bool // it is to be stored, unless something greater of its key is
	conflict bool // what it replaces has its stamp, but not its content
	foreign  bool // what it replaces is another supplier's
}

// position is a row's place in its group.
type position struct{ batch, index int }

func (r *row) position() position { return position{r.batch, r.index} }

// held is what the store has for a key.
type held struct {
	version   fhirmsg.Version
	hash      fhirmsg.Hash
	hashed    bool // false: edited by hand
	subsetted bool
	tombstone bool
	covered   bool // a tombstone, beside which someone inserted a row by hand
	foreign   bool // of another supplier than what is compared with it
}

// compareRank orders by completeness, then version.
func compareRank(subsettedA bool, a fhirmsg.Version, subsettedB bool, b fhirmsg.Version) int {
	if subsettedA != subsettedB {
		if subsettedA {
			return -1
		}
		return 1
	}
	return a.Compare(b)
}

// group is what one transaction stores: batches of one type for one dataset.
type group struct {
	dataset       string
	table         string // the type in lower case
	typ           string
	batches       []fhirmsg.Batch
	imports       []fhirmsg.Import // distinct
	rows          []*row
	outcomes      [][]byte // by batch and index
	conflictCount []int64  // by batch
	foreignCount  []int64  // by batch
	scoped        bool     // some records have an original id
	deletes       bool
	history       bool             // the dataset keeps every version
	replay        *replay          // nil: the batches come for the first time
	said          []ledger.Written // by batch: what the ledger says of it
	unasked       bool             // it was copied without asking for all keys
}

// recordSize is about how long short records are.
const recordSize = 512

// newGroup decodes batches of one dataset and type.
func newGroup(batches []fhirmsg.Batch) (*group, error) {
	first := batches[0]
	g := &group{
		dataset: first.Import.Dataset, typ: first.Type, table: tableName(first.Type), batches: batches,
		conflictCount: make([]int64, len(batches)), foreignCount: make([]int64, len(batches)), outcomes: make([][]byte, len(batches)),
	}
	size := 0
	for _, b := range batches {
		size += len(b.Body) / recordSize
	}
	all := make([]row, 0, size)
	for i, b := range batches {
		if !slices.ContainsFunc(g.imports, func(imp fhirmsg.Import) bool { return imp.ID == b.Import.ID }) {
			g.imports = append(g.imports, b.Import)
		}
		n := 0
		for record, err := range b.Records() {
			if err != nil {
				return nil, err
			}
			version := fhirmsg.Version{Stamp: record.Stamp, Issued: b.Import.Issued, Ordinal: record.Ordinal(b.File)}
			all = append(all, row{Record: record, version: version, batch: i, index: n, prefix: prefix(record.ID)})
			g.deletes = g.deletes || record.Deleted
			g.scoped = g.scoped || len(record.OriginalID) > 0
			n++
		}
		g.outcomes[i] = bytes.Repeat([]byte{byte(ledger.Repeated)}, n)
	}
	g.rows = make([]*row, len(all))
	for i := range all {
		g.rows[i] = &all[i]
	}
	return g, nil
}

// prefix is the beginning of an id as a number of the same order, which is faster to compare.
func prefix(id []byte) uint64 {
	var begin [8]byte
	copy(begin[:], id)
	return binary.BigEndian.Uint64(begin[:])
}

// settle says what became of a row.
func (g *group) settle(r *row, o ledger.Outcome) {
	g.outcomes[r.batch][r.index] = byte(o)
	if r.conflict {
		g.conflictCount[r.batch]++
	}
	if r.foreign {
		g.foreignCount[r.batch]++
	}
}

// importOf is the import a row belongs to.
func (g *group) importOf(r *row) *fhirmsg.Import { return &g.batches[r.batch].Import }

// fates are what becomes of each batch's rows whatever they are; 0 where they are to be stored.
func (g *group) fates(standing ledger.Standing) []ledger.Outcome {
	fates := make([]ledger.Outcome, len(g.batches))
	for i, b := range g.batches {
		fates[i] = standing.Fate(b.Import.ID, b.File)
	}
	return fates
}

// winners sorts the rows by id, settles all but the greatest of each key, and returns those.
func (g *group) winners(rows []*row) []*row {
	slices.SortFunc(rows, func(a, b *row) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		if byID := bytes.Compare(a.ID, b.ID); byID != 0 {
			return byID
		}
		return cmp.Or(compareRank(a.Subsetted, a.version, b.Subsetted, b.version), cmp.Compare(a.batch, b.batch), cmp.Compare(a.index, b.index))
	})
	kept := rows[:0]
	for i, r := range rows {
		if i+1 < len(rows) && bytes.Equal(rows[i+1].ID, r.ID) {
			next := rows[i+1]
			if r.version == next.version { // the same message twice: the first counts
				if g.importOf(r).ID != g.importOf(next).ID {
					g.repeat(next)
				}
				rows[i+1] = r
				continue
			}
			g.lose(r, held{version: next.version, hash: next.Hash, hashed: true, subsetted: next.Subsetted})
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// repeat settles a row whose very version is there. It came before and counts with the message
// that brought it; but of a retry it may be another retry that did, and each has its account.
// A message of a retry that comes twice changes nothing all the same: it was stated.
func (g *group) repeat(r *row) {
	if g.importOf(r).IsRetry() {
		g.settle(r, ledger.Unchanged)
		return
	}
	g.settle(r, ledger.Repeated)
}

// lose settles a row that ranks below what its key has.
func (g *group) lose(r *row, h held) {
	if r.Subsetted && !h.subsetted && r.version.Compare(h.version) > 0 {
		g.settle(r, ledger.Skipped)
		return
	}
	r.conflict = g.conflicts(r, h)
	g.settle(r, ledger.Stale)
}

// conflicts tells a row that has another's stamp but not its content.
func (g *group) conflicts(r *row, h held) bool {
	return g.importOf(r).Mode == fhirmsg.ModeSync && r.version.Stamp == h.version.Stamp && (!h.hashed || r.Hash != h.hash)
}

// statements are what the ledger is told of the batches.
func (g *group) statements() []ledger.Written {
	written := make([]ledger.Written, len(g.batches))
	for i, b := range g.batches {
		w := ledger.Written{Batch: b.BatchHeader, Outcomes: g.outcomes[i]}
		for _, o := range g.outcomes[i] {
			w.Counts.Add(ledger.Outcome(o))
		}
		w.Counts.Conflicts, w.Counts.Foreign = g.conflictCount[i], g.foreignCount[i]
		written[i] = w
	}
	return written
}

// reset forgets what an attempt that was rolled back had settled.
func (g *group) reset() {
	g.unasked = false
	for _, r := range g.rows {
		r.wanted, r.conflict, r.foreign = false, false, false
	}
	for i := range g.outcomes {
		for j := range g.outcomes[i] {
			g.outcomes[i][j] = byte(ledger.Repeated)
		}
		g.conflictCount[i], g.foreignCount[i] = 0, 0
	}
}
