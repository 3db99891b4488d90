package store

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// batches are those of all imports.
func (m *machine) batches() (all []*batch) {
	for _, i := range m.imports {
		for _, c := range i.chunks {
			all = append(all, c.batches...)
		}
	}
	return all
}

func (m *machine) drawImport(t *rapid.T) *importing {
	if len(m.imports) == 0 {
		t.Skip("no import")
	}
	return rapid.SampledFrom(m.imports).Draw(t, "import")
}

func (m *machine) drawChunk(t *rapid.T) *chunk {
	return rapid.SampledFrom(m.drawImport(t).chunks).Draw(t, "chunk")
}

func (m *machine) drawType(t *rapid.T) string { return rapid.SampledFrom(types).Draw(t, "type") }

// drawGroup draws messages of one type, of any imports, delivered before or not.
func (m *machine) drawGroup(t *rapid.T, typ string) []*batch {
	all := slices.DeleteFunc(m.batches(), func(b *batch) bool { return b.Type != typ })
	if len(all) == 0 {
		t.Skip("nothing of this type")
	}
	return rapid.SliceOfN(rapid.SampledFrom(all), 1, 3).Draw(t, "messages")
}

// drawStore draws a writer, which asks for all keys at once, or for so few first that they say little of the others.
func (m *machine) drawStore(t *rapid.T) *Store {
	s := m.stores[rapid.IntRange(0, writers-1).Draw(t, "writer")]
	s.sampled = rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "sampled")
	return s
}

// deliver stores messages in one transaction. Each resource becomes what the model says.
func (m *machine) deliver(t *rapid.T, s *Store, group []*batch) {
	result, err := s.Write(m.testing.Context(), fhirBatches(group))
	m.check(t, err)
	counts := m.apply(group, true)
	var want ledger.Counts
	for _, c := range counts {
		want.Plus(c)
	}
	if exact(group) && result.Counts != want {
		t.Errorf("outcomes: %+v, want %+v", result.Counts, want)
	}
}

func fhirBatches(group []*batch) []fhirmsg.Batch {
	all := make([]fhirmsg.Batch, len(group))
	for i, b := range group {
		all[i] = b.Batch
	}
	return all
}

// exact: where PostgreSQL refuses a resource, whether that or another of its key loses first is open.
func exact(group []*batch) bool {
	for _, b := range group {
		if slices.ContainsFunc(b.said, func(s said) bool { return s.refused }) {
			return false
		}
	}
	return true
}

// apply tells the model of a transaction, and returns the counts of each message.
func (m *machine) apply(group []*batch, alone bool) []ledger.Counts {
	counts := make([]ledger.Counts, len(group))
	var all []said
	for i, b := range group {
		if b.of.cancelled {
			counts[i].Cancelled = int64(b.Rows)
			continue
		}
		all = append(all, b.said...)
	}
	outcomes := m.model.storeTogether(all)
	for i, b := range group {
		if !b.of.cancelled {
			counts[i], outcomes = countsOf(outcomes[:len(b.said)]), outcomes[len(b.said):]
		}
		if !b.stated { // Only what is stated first counts.
			b.stated, b.exact, b.counts = true, alone && exact(group), counts[i]
		}
	}
	return counts
}

// start has the writers store groups at once. The model may take them one after the other: the order
// decides about the outcomes, but not about the rows.
func (m *machine) start(_ *rapid.T, groups [][]*batch) *writing {
	w := &writing{groups: len(groups)}
	for n, s := range m.stores {
		w.Go(func() error {
			for i := n; i < len(groups); i += len(m.stores) {
				_, err := s.Write(m.testing.Context(), fhirBatches(groups[i]))
				w.done.Add(1)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, group := range groups {
		m.apply(group, false)
	}
	return w
}

// writing is writers at work.
type writing struct {
	errgroup.Group
	groups int
	done   atomic.Int64
}

// giveUp is generous, for a machine that does much else.
const giveUp = 2 * time.Minute

// untilStuck waits until each writer is done or waits for a lock. Questions take time from the writers.
func (m *machine) untilStuck(t *rapid.T, w *writing) {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(giveUp); ; {
		done := int(w.done.Load()) // before the others, which may become done
		var waiting int
		m.check(t, m.pool.QueryRow(m.testing.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		if done+waiting >= w.groups {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("of %d writers %d are done and %d wait", w.groups, done, waiting)
		}
		<-ticker.C
	}
}

// editByHand changes a row that is there, or inserts one that is not.
func (m *machine) editByHand(t *rapid.T, tx pgx.Tx) {
	k, content := keys.Draw(t, "key"), rapid.SampledFrom(byHand).Draw(t, "by hand")
	table := quoted(dataset, tableName(k.typ))
	tag, err := tx.Exec(m.testing.Context(), `UPDATE `+table+` SET resource = jsonb_set(resource, '{x}', $2) WHERE id = $1`, k.id, content)
	m.check(t, err)
	if tag.RowsAffected() == 0 {
		_, err := tx.Exec(m.testing.Context(), `INSERT INTO `+table+` (id, resource) VALUES ($1, jsonb_build_object('x', $2::jsonb))`, k.id, content)
		m.check(t, err)
	}
	m.model.editByHand(k, content)
}

func (m *machine) stateFetched(t *rapid.T, c *chunk) {
	s := c.statement
	_, err := m.ledger.RecordFetched(m.testing.Context(), c.of.ID, 0, s.Offset+s.Length, []ledger.Fetched{{Offset: s.Offset, Length: s.Length, Lines: s.Lines}})
	m.check(t, err)
	c.fetched = true
}

func (m *machine) stateParsed(t *rapid.T, c *chunk) {
	m.check(t, m.ledger.RecordParsed(m.testing.Context(), []fhirmsg.Statement{c.statement}))
	c.fetched, c.parsed = true, true // what was parsed was fetched
}

func (m *machine) close(t *rapid.T, i *importing) {
	m.check(t, m.ledger.CloseFile(m.testing.Context(), i.ID, 0, ""))
	m.check(t, m.ledger.CloseList(m.testing.Context(), i.ID))
	i.closed = true
}
