package invariant

import (
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// rule says which objects break a constraint: those that any of its clauses is true of.
type rule []clause

// clause is true of an object whose elements match the pattern, unless the condition holds.
type clause struct {
	pattern
	unless cond // nil: never holds
	survey *survey
	fault  faults
}

// pattern is of the elements that are there (exists) and not there (empty). Choice elements
// go by their name without [x].
type pattern struct{ there, missing []string }

func with(elements ...string) pattern    { return pattern{there: elements} }
func without(elements ...string) pattern { return pattern{missing: elements} }
func always() pattern                    { return pattern{} }

func (p pattern) without(elements ...string) pattern {
	p.missing = elements
	return p
}

// broken is the rule that each of the patterns breaks.
func broken(patterns ...pattern) rule {
	r := make(rule, len(patterns))
	for i, p := range patterns {
		r[i].pattern = p
	}
	return r
}

// unless is the rule without objects for which a condition holds.
func (r rule) unless(c cond) rule {
	for i := range r {
		r[i].unless = c
	}
	return r
}

// allOf is the conjunction of rules.
func allOf(rules ...rule) rule {
	var all rule
	for _, r := range rules {
		all = append(all, r...)
	}
	return all
}

func anyOf(elements ...string) rule { return broken(without(elements...)) }
func implies(a, b string) rule      { return broken(with(a).without(b)) }
func notBoth(a, b string) rule      { return broken(with(a, b)) }
func same(a, b string) rule         { return allOf(implies(a, b), implies(b, a)) }

func atMostOne(elements ...string) rule {
	var r rule
	for i, a := range elements {
		for _, b := range elements[:i] {
			r = append(r, notBoth(a, b)...)
		}
	}
	return r
}

func exactlyOne(elements ...string) rule {
	return allOf(anyOf(elements...), atMostOne(elements...))
}

// excludes is the rule that with one element there is none of the others.
func excludes(element string, others ...string) rule {
	var r rule
	for _, other := range others {
		r = append(r, notBoth(element, other)...)
	}
	return r
}

// onlyWithout keeps a rule to objects without an element.
func (r rule) onlyWithout(element string) rule {
	for i := range r {
		r[i].missing = append(r[i].missing, element)
	}
	return r
}

func (r rule) compile(t *fhirdef.Type, c *fhirdef.Constraint) ([]check, error) {
	var checks []check
	for _, clause := range r {
		there, err := mask(t, clause.there)
		if err != nil {
			return nil, err
		}
		missing, err := mask(t, clause.missing)
		if err != nil {
			return nil, err
		}
		check := check{mask: there | missing, bad: there, survey: clause.survey, fault: clause.fault, constraint: c}
		if clause.unless != nil {
			if check.holds, err = clause.unless(t, c); err != nil {
				return nil, err
			}
		}
		checks = append(checks, check)
	}
	return checks, nil
}

func mask(t *fhirdef.Type, elements []string) (uint64, error) {
	var m uint64
	for _, name := range elements {
		e, err := element(t, name)
		if err != nil {
			return 0, err
		}
		m |= 1 << e.Index
	}
	return m, nil
}

func element(t *fhirdef.Type, name string) (*fhirdef.Element, error) {
	for _, e := range t.Elements {
		if e.Name == name {
			return e, nil
		}
	}
	return nil, fmt.Errorf("%s has no element %s", t.Name, name)
}
