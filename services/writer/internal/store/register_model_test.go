package store

import (
	"math"
	"slices"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// register is the serial model of a dataset: for each key what the version rule keeps. It is
// what [Store] has to be equal to, in a map and without batches, probes or races.
type register map[key]entry

type key struct{ typ, id string }

// entry is what is known of a key.
type entry struct {
	version   fhirmsg.Version
	content   string // "" of a deletion
	subsetted bool
	byHand    bool   // what was said was edited, or inserted, by someone else
	visible   string // content that a reader sees: that said, unless it is by hand; "" is none
}

func (e entry) deleted() bool { return e.content == "" && !e.byHand }

// oldest is the version of a row that was inserted by hand.
var oldest = fhirmsg.Version{Stamp: math.MinInt64, Issued: math.MinInt64}

// said is one resource of a message.
type said struct {
	key     key
	entry   entry
	mode    fhirmsg.Mode
	refused bool // by PostgreSQL
}

// outcome is what became of a resource, and whether it is a conflict.
type outcome struct {
	ledger.Outcome
	conflict bool
}

// less orders by rank: complete ones above incomplete ones, then by version.
func (e entry) less(f entry) bool {
	if e.subsetted != f.subsetted {
		return e.subsetted
	}
	return e.version.Compare(f.version) < 0
}

// store is the version rule for one resource.
func (m register) store(s said) outcome {
	held, known := m[s.key]
	switch {
	case known && held.version == s.entry.version:
		return outcome{Outcome: ledger.Repeated}
	case known && s.entry.less(held):
		return s.lose(held)
	case s.refused:
		return outcome{Outcome: ledger.Rejected}
	}
	m[s.key] = s.entry
	return s.win(held, known)
}

// win is what a resource becomes that replaces what was there.
func (s said) win(held entry, known bool) outcome {
	o := outcome{Outcome: ledger.Updated, conflict: known && s.conflicts(held)}
	same := known && held.visible == s.entry.visible && held.subsetted == s.entry.subsetted && !held.byHand
	switch {
	case same:
		o.Outcome = ledger.Unchanged
	case s.entry.deleted():
		o.Outcome = ledger.Deleted
	case !known || held.visible == "":
		o.Outcome = ledger.Inserted
	}
	return o
}

// lose is what a resource becomes that ranks below another of its key.
func (s said) lose(to entry) outcome {
	if s.entry.subsetted && !to.subsetted && s.entry.version.Compare(to.version) > 0 {
		return outcome{Outcome: ledger.Skipped}
	}
	return outcome{Outcome: ledger.Stale, conflict: s.conflicts(to)}
}

// conflicts: in mode sync, an equal stamp with other content.
func (s said) conflicts(e entry) bool {
	return s.mode == fhirmsg.ModeSync && s.entry.version.Stamp == e.version.Stamp && (e.byHand || s.entry.content != e.content)
}

// storeTogether is one transaction: of each key the greatest is stored, and the others lose
// against the next greater one. It returns the outcomes in the order of all.
func (m register) storeTogether(all []said) []outcome {
	outcomes := make([]outcome, len(all))
	order := make([]int, len(all))
	for i := range all {
		order[i] = i
	}
	// The greatest first; of equals the one that was said first.
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case all[b].entry.less(all[a].entry):
			return -1
		case all[a].entry.less(all[b].entry):
			return 1
		}
		return 0
	})
	above := map[key]entry{}
	for _, i := range order {
		s := all[i]
		greater, any := above[s.key]
		switch {
		case !any:
			outcomes[i] = m.store(s)
		case greater.version == s.entry.version:
			outcomes[i] = outcome{Outcome: ledger.Repeated}
		default:
			outcomes[i] = s.lose(greater)
		}
		if !s.refused || outcomes[i].Outcome != ledger.Rejected {
			above[s.key] = s.entry
		}
	}
	return outcomes
}

// editByHand changes the content of a row, or inserts one. That counts as oldest: a deletion stays what
// is known of the key.
func (m register) editByHand(k key, content string) {
	e, known := m[k]
	if !known {
		e.version = oldest
	}
	e.byHand = !known || !e.deleted()
	e.visible = content
	m[k] = e
}

// countsOf adds outcomes up as the ledger does.
func countsOf(outcomes []outcome) ledger.Counts {
	var c ledger.Counts
	for _, o := range outcomes {
		c.Add(o.Outcome)
		if o.conflict {
			c.Conflicts++
		}
	}
	return c
}
