package invariant

import "bytes"

// Conditions of single constraints that no general one covers.

func lacks(part string) func(doc []byte, at int) bool {
	return func(doc []byte, at int) bool { return at < 0 || !bytes.Contains(text(doc, at), []byte(part)) }
}

// firstIs holds where the resource of a Bundle's first entry is of a type.
func firstIs(resourceType string) func(doc []byte, at int) bool {
	return func(doc []byte, at int) bool {
		return equals(doc, member(doc, first(doc, at), "resource"), "resourceType", resourceType)
	}
}

// noneHas holds where no element of an array has a member with a value.
func noneHas(name, value string) func(doc []byte, at int) bool {
	return func(doc []byte, at int) bool { return !anyHas(doc, at, name, value) }
}

func anyHas(doc []byte, at int, name, value string) bool {
	for e := range elements(doc, at) {
		if equals(doc, e, name, value) {
			return true
		}
	}
	return false
}

// isBoolean holds for the value of a choice element that is a boolean, and where there is
// none.
func isBoolean(doc []byte, at int) bool { return at < 0 || doc[at] == 't' || doc[at] == 'f' }

// isStratifier holds for a stratifier of a Measure that is either a single criterion or has
// components.
func isStratifier(doc []byte, at int) bool {
	single := exists(doc, at, "code") || exists(doc, at, "description") || exists(doc, at, "criteria")
	return single != exists(doc, at, "component")
}

func isStratum(doc []byte, at int) bool {
	return exists(doc, at, "value") != exists(doc, at, "component")
}

// isPercentage holds for a Range between percentages, and anything that is not a Range.
func isPercentage(doc []byte, at int) bool {
	for _, name := range [...]string{"low", "high"} {
		q := member(doc, at, name)
		if q < 0 || equals(doc, q, "code", "%") && equals(doc, q, "system", ucum) {
			continue
		}
		return false
	}
	return true
}

// isNotMeal holds for events of a Timing of which none is a meal as such.
func isNotMeal(doc []byte, when int) bool {
	return all(doc, when, func(doc []byte, at int) bool {
		return !isOneOf(text(doc, at), []string{"C", "CM", "CD", "CV"})
	})
}

// hasNoPreferredTwice holds where at most one of the identifiers of each type is preferred.
func (p *pool) hasNoPreferredTwice(doc []byte, uniqueIDs int) bool {
	m := p.get()
	defer p.put(m)
	for id := range elements(doc, uniqueIDs) {
		if equals(doc, id, "preferred", "true") {
			m.collect(doc, member(doc, id, "type"))
		}
	}
	return m.distinct()
}

// isOfOther holds where no component of an Observation has a Coding of the Observation's
// code. As in FHIRPath, Codings are equal if all of their members are.
func (p *pool) isOfOther(doc []byte, code, components int) bool {
	m := p.get()
	defer p.put(m)
	for coding := range elements(doc, member(doc, code, "coding")) {
		m.addObject(doc, coding)
	}
	m.sort()
	return all(doc, components, func(doc []byte, coding int) bool { return !m.hasObject(doc, coding) }, "code", "coding")
}
