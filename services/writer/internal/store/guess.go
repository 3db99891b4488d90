package store

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// sampled is how many of a group's keys are asked for first.
const sampled = 100

// guess asks what is there for a few of a group's keys, and where all of those turn out the same, stores all rows as if they did: mostly
// all are new, or all are there with other content, or with equal content. That costs time where it turns out wrong, never a row: COPY fails
// on a key that is there, and the transaction is begun again with asking; an update or a move says under which condition
// it holds. The rows that are left are to be asked for.
func guess(ctx context.Context, tx pgx.Tx, g *group, rows []*row, sample int) (left []*row, err error) {
	if sample == 0 || g.deletes || len(rows) < 2*sample {
		return rows, nil
	}
	if buried, err := anyTombstone(ctx, tx, g); err != nil || buried {
		return rows, err
	}
	few := make([]*row, sample)
	for i := range few {
		few[i] = rows[i*len(rows)/sample] // they are sorted by id
	}
	found, err := probe(ctx, tx, g, few)
	if err != nil {
		return nil, err
	}
	switch g.common(few, found) {
	case fresh:
		g.unasked = true
		return nil, insert(ctx, tx, g, rows, ledger.Inserted)
	case moved:
		return moveUnasked(ctx, tx, g, rows)
	case newer:
		if g.history { // what someone inserted by hand must be seen before it is replaced
			return rows, nil
		}
		return updateUnasked(ctx, tx, g, rows)
	default:
		return rows, nil
	}
}

// common is what is to be done with each of rows, if that is one thing and none replaces another supplier's, which would have to be counted.
func (g *group) common(rows []*row, found map[string]held) fate {
	first := unknown
	for i, r := range rows {
		f := g.fate(r, found)
		if i > 0 && f != first || found[string(r.ID)].foreign {
			return unknown
		}
		first = f
	}
	return first
}

// doubts are tables into which rows were copied unasked that were there: a few keys that are new say too little of the others.
// All keys of the next groups are asked for, the more the more often that happened.
type doubts struct {
	mu      sync.Mutex
	byTable map[string]*doubt
}

type doubt struct {
	groups int // that are asked for at once
	next   int // as many are after the next time
}

const (
	leastDoubt = 8
	mostDoubt  = 1024
)

// about reports whether all keys of a table's next group are to be asked for.
func (d *doubts) about(table string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.byTable[table]
	if t == nil || t.groups == 0 {
		return false
	}
	t.groups--
	return true
}

// add takes note of rows that were copied unasked and were there.
func (d *doubts) add(table string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byTable == nil {
		d.byTable = map[string]*doubt{}
	}
	t := d.byTable[table]
	if t == nil {
		t = &doubt{next: leastDoubt}
		d.byTable[table] = t
	}
	t.groups, t.next = t.next, min(2*t.next, mostDoubt)
}

// remove takes note of rows that were copied unasked and were new.
func (d *doubts) remove(table string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.byTable[table]
	if t == nil {
		return
	}
	if t.next /= 2; t.next < leastDoubt {
		delete(d.byTable, table)
	}
}
