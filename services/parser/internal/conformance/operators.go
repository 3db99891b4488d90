package conformance

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// operators are all kinds of mutation.
func operators() []operator {
	all := []operator{
		{name: "required dropped", object: dropRequired},
		{name: "unknown name", object: addUnknown},
		{name: "misspelt name", object: misspell},
		{name: "name in another case", object: otherCase},
		{name: "resourceType in an element", object: addResourceType},
		{name: "modifierExtension where it may not be", object: addModifierExtension},
		{name: "companion of an object", object: addObjectCompanion},
		{name: "choice without type", object: addBareChoice},
		{name: "choice of another type", object: addForeignChoice},
		{name: "second of a choice", object: addSecondChoice},
		{name: "second of a choice by a companion", object: addSecondCompanion},
		{name: "empty object", object: emptyObject},
		{name: "object with only an id", object: onlyID},
		{name: "something else for an object", object: misfitObject},
		{name: "array for an object", object: arrayForObject},
		{name: "resource of unknown type", object: renameResource},
		{name: "resource without type", object: untypeResource},
		{name: "resource of another type", object: retypeResource},
		{name: "absent element, of another type", object: addMisfit},
		{name: "absent element, null", object: addNull},
		{name: "absent element, empty", object: addEmpty},
		{name: "absent element, wrong value", object: addWrongValue},
		{name: "absent element, wrong cardinality", object: addWrongCardinality},

		{name: "another JSON type", value: misfitValue},
		{name: "array for one", value: arrayForOne},
		{name: "one for an array", value: oneForArray},
		{name: "array in an array", value: arrayInArray},
		{name: "empty array", value: emptyArray},
		{name: "null", value: nullValue},
		{name: "wrong value", value: wrongValue},
		{name: "doubtful text", value: doubtfulValue},
		{name: "wrong code", value: wrongCode},
		{name: "wrong CodeableConcept", value: wrongConcept},
		{name: "CodeableConcept without code", value: textConcept},
	}
	all = append(all, companionOperators()...)
	all = append(all, ruleOperators()...)
	return append(all, syntaxOperators()...)
}

// structure expects an issue about the structure at a path.
func structure(paths ...string) expectation { return expectation{code: "structure", paths: paths} }

// pick returns one of some, or the zero value of none.
func pick[T any](m *maker, some []T) T {
	if len(some) == 0 {
		var none T
		return none
	}
	return some[m.IntN(len(some))]
}

// members returns the members of a type that pass.
func members(t *fhirdef.Type, pass func(*fhirdef.Member) bool) []*fhirdef.Member {
	var all []*fhirdef.Member
	for _, name := range t.Names() {
		if m := t.Member([]byte(name)); pass(m) {
			all = append(all, m)
		}
	}
	return all
}

// has reports whether an object has an element, in whatever type, by a value or a companion.
func (s *objectSite) has(e *fhirdef.Element) bool {
	for i := range e.Types {
		name := memberOf(s.typ, e, i).Name
		if s.node.get(name) != nil || s.node.get("_"+name) != nil {
			return true
		}
	}
	return false
}

// absent are members that an object may have more.
func (s *objectSite) absent(pass func(*fhirdef.Member) bool) []*fhirdef.Member {
	return members(s.typ, func(m *fhirdef.Member) bool {
		return !s.has(m.Element) && pass(m) && (m.Element.Name != "contained" || !s.isContained())
	})
}

func dropRequired(m *maker, s *objectSite) *mutant {
	var present []*fhirdef.Element
	for _, e := range s.typ.Elements {
		if e.Min > 0 && s.has(e) {
			present = append(present, e)
		}
	}
	e := pick(m, present)
	if e == nil {
		return nil
	}
	n := s.node
	for i := range e.Types {
		name := memberOf(s.typ, e, i).Name
		n = n.without(name, "_"+name)
	}
	return &mutant{s.node, n, expectation{code: "required", paths: []string{s.path + "." + e.Name}, unlinks: true}}
}

// anything are values for what is unknown.
func anything() []*node {
	return []*node{
		text("x"), raw("1"), raw("false"), null(), list(), of(), list(text("x"), null()),
		of("reference", raw("1"), "resourceType", text("Patient"), "status", list(of())),
	}
}

func addUnknown(m *maker, s *objectSite) *mutant {
	name := pick(m, []string{"stoker", "stokerElement", "context", "animal", "actualPeriod", "x2", "_stoker"})
	if s.typ.Member([]byte(strings.TrimPrefix(name, "_"))) != nil {
		return nil
	}
	n := s.node.with(name, pick(m, anything()))
	if m.IntN(2) == 0 { // at the front
		last := len(n.members) - 1
		n.members = append([]member{n.members[last]}, n.members[:last]...)
	}
	return &mutant{s.node, n, structure(s.path + "." + name)}
}

// rename returns an object with a member's name changed.
func rename(n *node, from, to string) *node {
	c := &node{kind: object}
	for _, m := range n.members {
		if m.name == from {
			m.name, m.raw = to, ""
		}
		c.members = append(c.members, m)
	}
	return c
}

func misspell(m *maker, s *objectSite) *mutant {
	old := pick(m, s.node.members)
	def := s.typ.Member([]byte(old.name))
	if def == nil || len(old.name) < 4 {
		return nil
	}
	i := 1 + m.IntN(len(old.name)-1)
	name := old.name[:i] + old.name[i+1:]
	if m.IntN(2) == 0 {
		name = old.name[:i] + "q" + old.name[i:]
	}
	if s.typ.Member([]byte(name)) != nil || s.node.get("_"+old.name) != nil {
		return nil
	}
	return &mutant{s.node, rename(s.node, old.name, name), structure(s.path + "." + name)}
}

func otherCase(m *maker, s *objectSite) *mutant {
	old := pick(m, s.node.members)
	if s.typ.Member([]byte(old.name)) == nil || s.node.get("_"+old.name) != nil {
		return nil
	}
	name := strings.ToUpper(old.name[:1]) + old.name[1:]
	return &mutant{s.node, rename(s.node, old.name, name), structure(s.path + "." + name)}
}

func addResourceType(_ *maker, s *objectSite) *mutant {
	// An instance of an ExampleScenario has an element of that name.
	if s.isResource() || s.typ.Member([]byte("resourceType")) != nil {
		return nil
	}
	return &mutant{s.node, s.node.with("resourceType", text("Patient")), structure(s.path + ".resourceType")}
}

func addModifierExtension(_ *maker, s *objectSite) *mutant {
	if s.typ.Member([]byte("modifierExtension")) != nil {
		return nil
	}
	x := list(of("url", text("http://example.org/modifier"), "valueString", text("a")))
	return &mutant{s.node, s.node.with("modifierExtension", x), structure(s.path + ".modifierExtension")}
}

func addObjectCompanion(m *maker, s *objectSite) *mutant {
	def := pick(m, members(s.typ, func(d *fhirdef.Member) bool { return !d.Type.Kind.IsPrimitive() }))
	if def == nil {
		return nil
	}
	return &mutant{s.node, s.node.with("_"+def.Name, whole(def, of("id", text("x")))), structure(s.path + "._" + def.Name)}
}

func choicesOf(t *fhirdef.Type) []*fhirdef.Element {
	var all []*fhirdef.Element
	for _, e := range t.Elements {
		if e.Choice {
			all = append(all, e)
		}
	}
	return all
}

func addBareChoice(m *maker, s *objectSite) *mutant {
	e := pick(m, choicesOf(s.typ))
	if e == nil || s.typ.Member([]byte(e.Name)) != nil {
		return nil
	}
	return &mutant{s.node, s.node.with(e.Name, text("x")), structure(s.path + "." + e.Name)}
}

func addForeignChoice(m *maker, s *objectSite) *mutant {
	e := pick(m, choicesOf(s.typ))
	if e == nil {
		return nil
	}
	name := e.Name + pick(m, []string{"Address", "Quantity", "String", "Boolean", "CodeableConcept", "Patient", "DateTime", "BackboneElement", "Xhtml", "Narrative", "Foo", "string"})
	if s.typ.Member([]byte(name)) != nil {
		return nil
	}
	return &mutant{s.node, s.node.with(name, text("x")), structure(s.path + "." + name)}
}

// another returns the member of another type of a choice that an object has.
func (s *objectSite) another(m *maker, pass func(*fhirdef.Member) bool) *fhirdef.Member {
	var all []*fhirdef.Member
	for _, e := range choicesOf(s.typ) {
		if !s.has(e) {
			continue
		}
		for i := range e.Types {
			other := memberOf(s.typ, e, i)
			if s.node.get(other.Name) == nil && s.node.get("_"+other.Name) == nil && pass(other) {
				all = append(all, other)
			}
		}
	}
	return pick(m, all)
}

func addSecondChoice(m *maker, s *objectSite) *mutant {
	other := s.another(m, func(*fhirdef.Member) bool { return true })
	if other == nil {
		return nil
	}
	return &mutant{s.node, s.node.with(other.Name, whole(other, synthesis(other))), structure(s.path + "." + other.Element.Name)}
}

func addSecondCompanion(m *maker, s *objectSite) *mutant {
	other := s.another(m, func(o *fhirdef.Member) bool { return o.Type.Kind.IsPrimitive() })
	if other == nil {
		return nil
	}
	x := of("extension", list(of("url", text("http://example.org/x"), "valueString", text("a"))))
	return &mutant{s.node, s.node.with("_"+other.Name, x), structure(s.path + "." + other.Element.Name)}
}

func emptyObject(_ *maker, s *objectSite) *mutant {
	switch {
	case s.element == nil:
		return nil
	case s.isResource():
		return &mutant{s.node, of(), structure(s.path)}
	}
	return &mutant{s.node, of(), emptied(s.typ, s.path)}
}

func onlyID(_ *maker, s *objectSite) *mutant {
	if s.isResource() || s.typ.Name == "Element" {
		return nil
	}
	return &mutant{s.node, of("id", text("a")), emptied(s.typ, s.path)}
}

func misfitObject(m *maker, s *objectSite) *mutant {
	if s.element == nil {
		return nil
	}
	return &mutant{s.node, pick(m, []*node{text("x"), raw("1"), raw("true"), null()}), structure(s.path)}
}

func arrayForObject(_ *maker, s *objectSite) *mutant {
	if s.element == nil || s.typ.Name == "Element" {
		return nil
	}
	return &mutant{s.node, list(s.node), structure(s.path)}
}

// isNested reports whether an object is a resource within another.
func (s *objectSite) isNested() bool { return s.isResource() && s.element != nil }

func renameResource(m *maker, s *objectSite) *mutant {
	if !s.isNested() {
		return nil
	}
	wrong := pick(m, []*node{text("Foo"), text("DomainResource"), text("Resource"), text("patient"), text("HumanName"), text(""), raw("1"), null(), list(text("Patient"))})
	return &mutant{s.node, s.node.with("resourceType", wrong), structure(s.path)}
}

func untypeResource(_ *maker, s *objectSite) *mutant {
	if !s.isNested() {
		return nil
	}
	return &mutant{s.node, s.node.without("resourceType"), structure(s.path)}
}

func retypeResource(m *maker, s *objectSite) *mutant {
	if !s.isNested() {
		return nil
	}
	other := pick(m, []string{"AllergyIntolerance", "MedicationRequest", "Immunization", "Claim"}) // much is required of them
	if s.typ.Name == other {
		return nil
	}
	return &mutant{s.node, s.node.with("resourceType", text(other)), expectation{within: s.path + "."}}
}

func addMisfit(m *maker, s *objectSite) *mutant {
	def := pick(m, s.absent(func(*fhirdef.Member) bool { return true }))
	if def == nil {
		return nil
	}
	index := -1
	if def.Element.Repeats {
		index = 0
	}
	return &mutant{s.node, s.node.with(def.Name, whole(def, pick(m, misfits(def)))), structure(childPath(s.path, def, index))}
}

func addNull(m *maker, s *objectSite) *mutant {
	def := pick(m, s.absent(func(*fhirdef.Member) bool { return true }))
	if def == nil {
		return nil
	}
	return &mutant{s.node, s.node.with(def.Name, null()), structure(childPath(s.path, def, -1))}
}

func addEmpty(m *maker, s *objectSite) *mutant {
	def := pick(m, s.absent(func(d *fhirdef.Member) bool { return d.Element.Repeats || d.Type.Kind == fhirdef.Object }))
	if def == nil {
		return nil
	}
	path := childPath(s.path, def, -1)
	if def.Element.Repeats && (m.IntN(2) == 0 || def.Type.Kind != fhirdef.Object) {
		return &mutant{s.node, s.node.with(def.Name, list()), structure(path)}
	}
	if def.Element.Repeats {
		path = childPath(s.path, def, 0)
	}
	return &mutant{s.node, s.node.with(def.Name, whole(def, of())), emptied(def.Type, path)}
}

func addWrongValue(m *maker, s *objectSite) *mutant {
	def := pick(m, s.absent(func(d *fhirdef.Member) bool { return len(wrongValues[d.Type.Kind]) > 0 }))
	if def == nil {
		return nil
	}
	index := -1
	if def.Element.Repeats {
		index = 0
	}
	want := expectation{code: valueCode(def), paths: []string{childPath(s.path, def, index)}}
	return &mutant{s.node, s.node.with(def.Name, whole(def, raw(pick(m, wrongValues[def.Type.Kind])))), want}
}

func addWrongCardinality(m *maker, s *objectSite) *mutant {
	def := pick(m, s.absent(func(*fhirdef.Member) bool { return true }))
	if def == nil {
		return nil
	}
	value := synthesis(def)
	if !def.Element.Repeats {
		value = list(value)
	}
	return &mutant{s.node, s.node.with(def.Name, value), structure(childPath(s.path, def, -1))}
}
