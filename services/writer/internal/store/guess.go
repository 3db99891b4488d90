package store

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// guess is what a table's next rows are expected to turn out to be, by what the last ones did: all
// inserted, all updated or all unchanged. Then they need not be asked for. A wrong guess costs time,
// never a row: COPY fails on a key that is there, and the transaction is begun again with asking; an
// update or a move says under which condition it holds, and what it misses is asked for.
type guess struct {
	outcome ledger.Outcome // of the last rows
	rows    int            // in a row that had it
	asked   int            // groups that are asked for before inserting by guess again
	penalty int            // the next asked, after a wrong guess
}

const (
	rowsEnough = 500
	minPenalty = 8
	maxPenalty = 1024
)

// guesses are those of all tables.
type guesses struct {
	mu      sync.Mutex
	byTable map[string]*guess
}

func (g *guesses) of(table string) *guess {
	if g.byTable == nil {
		g.byTable = map[string]*guess{}
	}
	if g.byTable[table] == nil {
		g.byTable[table] = &guess{penalty: minPenalty}
	}
	return g.byTable[table]
}

// next is what the next group is expected to be, 0 if it is to be asked for.
func (g *guesses) next(table string) ledger.Outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.of(table)
	switch {
	case t.rows < rowsEnough:
		return 0
	case t.outcome == ledger.Inserted && t.asked > 0:
		t.asked--
		return 0
	}
	return t.outcome
}

// learn takes note of what all rows of a group were, 0 if they were not all the same.
func (g *guesses) learn(table string, o ledger.Outcome, rows int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.of(table)
	if t.outcome != o {
		t.outcome, t.rows = o, 0
	}
	t.rows = min(t.rows+rows, rowsEnough)
}

// wrong takes note of rows that were to be inserted by guess and were there.
func (g *guesses) wrong(table string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.of(table)
	t.rows, t.asked, t.penalty = 0, t.penalty, min(2*t.penalty, maxPenalty)
}

// uniform is the outcome that all rows of a group had, if it is one that is worth a guess.
func (g *group) uniform() ledger.Outcome {
	first := ledger.Outcome(0)
	for _, outcomes := range g.outcomes {
		for _, b := range outcomes {
			o := ledger.Outcome(b)
			if first == 0 {
				first = o
			}
			if o != first {
				return 0
			}
		}
	}
	switch first {
	case ledger.Inserted, ledger.Updated, ledger.Unchanged:
		return first
	}
	return 0
}

// presume stores rows as if they turned out to be o, without asking what is there. Those that did
// not are returned, to be asked for.
func presume(ctx context.Context, tx pgx.Tx, g *group, rows []*row, o ledger.Outcome) (left []*row, err error) {
	if g.deletes || o == 0 {
		return rows, nil
	}
	if buried, err := anyTombstone(ctx, tx, g); err != nil || buried {
		return rows, err
	}
	switch o {
	case ledger.Inserted:
		return nil, insert(ctx, tx, g, rows, ledger.Inserted)
	case ledger.Unchanged:
		return moveUnasked(ctx, tx, g, rows)
	case ledger.Updated:
		if g.history { // what someone inserted by hand must be seen before it is replaced
			return rows, nil
		}
		return updateUnasked(ctx, tx, g, rows)
	}
	return rows, nil
}
