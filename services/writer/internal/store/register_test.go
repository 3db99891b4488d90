package store

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestRegister: whatever is delivered in whatever order, regrouped, repeated and by several writers at
// once, with edits by hand in between, the rows and the account are those of the serial model. For a
// long run: go test ./internal/store -run TestRegister -rapid.checks=20000
func TestRegister(t *testing.T) {
	t.Parallel()
	for _, mode := range []fhirmsg.Mode{fhirmsg.ModeOverwrite, fhirmsg.ModeSync} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, mode)
			rapid.Check(t, func(t *rapid.T) {
				m.begin(t)
				t.Repeat(rapid.StateMachineActions(m))
				m.finish(t)
			})
		})
	}
}

// TestOutcomesAreFixed: what an import that has each key once is accounted as, over what the imports before
// left, does not depend on the order of its messages, nor on how many writers there are.
func TestOutcomesAreFixed(t *testing.T) {
	t.Parallel()
	m := newMachine(t, fhirmsg.ModeSync)
	rapid.Check(t, func(t *rapid.T) {
		m.begin(t)
		for range rapid.IntRange(1, 4).Draw(t, "imports") {
			i := m.accept(t, drawFileOnce(t))
			m.finish(t)
			for _, b := range m.batches() {
				b.exact = true
			}
			m.checkAccount(t, i)
		}
	})
}

const maxImports = 5

// Import accepts another import, of which nothing is delivered yet.
func (m *machine) Import(t *rapid.T) {
	if len(m.imports) == maxImports {
		t.Skip("enough imports")
	}
	m.accept(t, drawFile(t))
}

// Deliver has a writer store messages in one transaction: new ones, or such as came before.
func (m *machine) Deliver(t *rapid.T) {
	m.deliver(t, m.drawStore(t), m.drawGroup(t, m.drawType(t)))
}

// Race has several writers store messages at once, each of which has asked what is there, or waits for
// another, before any of them writes; and before they do, someone else edits rows.
func (m *machine) Race(t *rapid.T) {
	typ := m.drawType(t)
	var groups [][]*batch
	for range rapid.IntRange(2, writers).Draw(t, "writers") {
		groups = append(groups, m.drawGroup(t, typ))
	}
	ctx := m.testing.Context()
	gate, err := m.pool.Begin(ctx)
	m.check(t, err)
	defer func() { _ = gate.Rollback(context.Background()) }()
	_, err = gate.Exec(ctx, `LOCK TABLE fhir.patient, fhir.observation, fhir.tombstone IN SHARE MODE`) // lets read, not write
	m.check(t, err)
	for range rapid.IntRange(0, 2).Draw(t, "edits") {
		m.editByHand(t, gate)
	}
	writing := m.start(t, groups)
	m.untilStuck(t, writing)
	m.check(t, gate.Commit(ctx))
	m.check(t, writing.Wait())
}

// EditByHand changes a row, or inserts one, as someone who is no writer.
func (m *machine) EditByHand(t *rapid.T) {
	tx, err := m.pool.Begin(m.testing.Context())
	m.check(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	m.editByHand(t, tx)
	m.check(t, tx.Commit(m.testing.Context()))
}

// State states that a chunk was fetched, or parsed, or both: once, or again.
func (m *machine) State(t *rapid.T) {
	c := m.drawChunk(t)
	if rapid.Bool().Draw(t, "fetched") {
		m.stateFetched(t, c)
	}
	if rapid.Bool().Draw(t, "parsed") {
		m.stateParsed(t, c)
	}
}

// Close closes an import of which everything is fetched.
func (m *machine) Close(t *rapid.T) {
	i := m.drawImport(t)
	if slices.ContainsFunc(i.chunks, func(c *chunk) bool { return !c.fetched }) {
		t.Skip("not everything is fetched")
	}
	m.close(t, i)
}

// Cancel cancels an import; what of it was not stored before is not stored.
func (m *machine) Cancel(t *rapid.T) {
	i := m.drawImport(t)
	if rapid.IntRange(0, 9).Draw(t, "seldom") != 9 || i.ended() {
		t.Skip("not this one")
	}
	m.check(t, m.ledger.Cancel(m.testing.Context(), i.ID))
	i.cancelled = true
}

// Settle ends an import of which everything is accounted for, and no other.
func (m *machine) Settle(t *rapid.T) {
	m.checkAccount(t, m.drawImport(t))
}

// Check is what holds at any moment.
func (m *machine) Check(t *rapid.T) {
	m.checkRows(t)
}

// finish delivers everything that was not yet, and much again, with all writers at work.
func (m *machine) finish(t *rapid.T) {
	var groups [][]*batch
	for _, b := range m.batches() {
		if !b.stated || rapid.Bool().Draw(t, "again") {
			groups = append(groups, []*batch{b})
		}
	}
	if len(groups) > 0 {
		groups = rapid.Permutation(groups).Draw(t, "order")
	}
	m.check(t, m.start(t, groups).Wait())
	for _, i := range m.imports {
		for _, c := range i.chunks {
			m.stateFetched(t, c)
			m.stateParsed(t, c)
		}
		m.close(t, i)
	}
	m.checkRows(t)
	for _, i := range m.imports {
		if s := m.checkAccount(t, i); s.Missing != 0 || !s.State.Ended() {
			t.Errorf("after everything was delivered: %s, missing %d", s.State, s.Missing)
		}
	}
}
