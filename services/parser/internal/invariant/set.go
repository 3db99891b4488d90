package invariant

import (
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// Node is an object whose members have all been read.
type Node struct {
	Doc        []byte // the document, valid JSON at least as far as End
	Type       *fhirdef.Type
	Start, End int                         // of the object in Doc
	Seen       uint64                      // elements that are there, by Element.Index: by a value or only by a companion (_name)
	Valued     uint64                      // of those, the ones with a value in JSON
	At         *[fhirdef.MaxElements]int32 // offset of an element's value in Doc (of a repeating one: the array); valid where Valued
}

// Finding is a constraint that an object breaks.
type Finding struct {
	Constraint *fhirdef.Constraint
	Element    string // of the object, that the constraint is about; "" is the object itself
}

// Set is what is checked of a version of FHIR. It never changes and is safe for concurrent
// use.
type Set struct {
	checks [][]check // of each type, at its ID
}

// check is one way to break a constraint: the elements that are there match a pattern, and
// the test, if there is one, fails.
type check struct {
	mask, bad  uint64 // broken where Seen&mask == bad
	holds      test
	survey     *survey // of some constraints at once, instead of a test; broken where it sets fault
	fault      faults
	constraint *fhirdef.Constraint
}

// New compiles the rules for the constraints of a version of FHIR. It fails if a rule names
// an element that its type does not have.
func New(d *fhirdef.Definitions) (*Set, error) {
	s := &Set{checks: make([][]check, len(d.Types))}
	book := newBook()
	for _, t := range d.Types {
		for _, c := range constraintsOf(t) {
			r, _ := book.rule(c)
			checks, err := r.compile(t, c)
			if err != nil {
				return nil, fmt.Errorf("constraint %s of %s: %w", c.Key, t.Name, err)
			}
			s.checks[t.ID] = append(s.checks[t.ID], checks...)
		}
	}
	return s, nil
}

// Any reports whether there is anything to check on objects of a type.
func (s *Set) Any(t *fhirdef.Type) bool { return len(s.checks[t.ID]) > 0 }

// Check calls found for each constraint that an object breaks, in the definition's order.
// The Constraint of a Finding is the definition's and lives as long. Nothing is allocated
// where nothing is found, save for strings with escapes that a test must read.
// BenchmarkCheck has the times.
func (s *Set) Check(n *Node, found func(Finding)) {
	var last *fhirdef.Constraint // reported; it may be broken in more than one way
	var done *survey
	var seen faults
	checks := s.checks[n.Type.ID]
	for i := range checks {
		c := &checks[i]
		if n.Seen&c.mask != c.bad {
			continue
		}
		if c.holds != nil && c.holds(n) || c.constraint == last {
			continue
		}
		if c.survey != nil {
			if c.survey != done {
				seen, done = c.survey.run(n), c.survey
			}
			if seen&c.fault == 0 {
				continue
			}
		}
		last = c.constraint
		found(Finding{Constraint: last, Element: last.Element})
	}
}
