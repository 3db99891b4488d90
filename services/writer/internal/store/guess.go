package store

import "sync"

// guess is what a table's next rows are expected to be, by what the last ones were. A group
// whose rows are all new need not be asked for: COPY fails on a key that is there, and the
// transaction is begun again with asking. So a wrong guess costs time, never a row.
type guess struct {
	fresh   int // groups in a row that were all new
	asked   int // groups that are asked for before guessing again
	penalty int // the next asked, after a wrong guess
}

const (
	freshEnough = 2
	minPenalty  = 8
	maxPenalty  = 1024
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

// allNew reports whether the next group is expected to be all new.
func (g *guesses) allNew(table string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.of(table)
	if t.asked > 0 {
		t.asked--
		return false
	}
	return t.fresh >= freshEnough
}

// learn takes note of what a group was.
func (g *guesses) learn(table string, allNew bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.of(table)
	if allNew {
		t.fresh++
	} else {
		t.fresh = 0
	}
}

// wrong takes note of a guess that was.
func (g *guesses) wrong(table string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.of(table)
	t.fresh, t.asked, t.penalty = 0, t.penalty, min(2*t.penalty, maxPenalty)
}
