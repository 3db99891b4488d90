package conformance

import (
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// host is a resource with a hole where an object of a type stands.
type host struct {
	typ  *fhirdef.Type
	path string
	doc  func(hole *node) *node
}

// elements tries every member of every type that a resource can hold, in a resource made for
// it: the right value has no issue but for invariants, and wrong ones are reported at their
// place. So what no example has is tried too.
func elements(r *report) error {
	reader, err := r.reader()
	if err != nil {
		return err
	}
	tried := map[*fhirdef.Type]bool{}
	for _, t := range r.definitions.Types {
		if t.Kind == fhirdef.Resource {
			r.tryType(reader, tried, host{t, t.Name, func(hole *node) *node { return hole }})
		}
	}
	for _, t := range r.definitions.Types {
		if t.Kind == fhirdef.Object && !tried[t] && !abstract[t.Name] {
			r.wrong(t.Name, nil, "no resource leads to the type")
		}
	}
	r.note("members of %d types, in a resource each", len(tried))
	return nil
}

// abstract are types that stand in no resource by themselves.
var abstract = map[string]bool{"Element": true, "BackboneElement": true}

func (r *report) tryType(reader *readers, tried map[*fhirdef.Type]bool, h host) {
	if tried[h.typ] {
		return
	}
	tried[h.typ] = true
	base := least(h.typ)
	for _, name := range h.typ.Names() {
		m := h.typ.Member([]byte(name))
		object := base
		for _, e := range h.typ.Elements { // the other types of the choice
			if e == m.Element && e.Choice {
				for i := range e.Types {
					object = object.without(memberOf(h.typ, e, i).Name)
				}
			}
		}
		r.tryMember(reader, h, object, m)
		if m.Type.Kind == fhirdef.Object {
			index := -1
			if m.Element.Repeats {
				index = 0
			}
			r.tryType(reader, tried, host{m.Type, childPath(h.path, m, index), func(hole *node) *node {
				return h.doc(object.with(m.Name, whole(m, hole)))
			}})
		}
	}
}

// tryMember sets one member of an object to values that are right and wrong.
func (r *report) tryMember(reader *readers, h host, object *node, m *fhirdef.Member) {
	path, item := childPath(h.path, m, -1), childPath(h.path, m, -1)
	if m.Element.Repeats {
		item = childPath(h.path, m, 0)
	}
	right := synthesis(m)
	try := func(what string, value *node, want expectation) {
		doc := h.doc(object.with(m.Name, value)).bytes()
		name := fmt.Sprintf("%s.%s, %s", h.path, m.Name, what)
		if difference := want.differs(reader, doc, 0, len(doc)); difference != "" {
			r.wrong(name, doc, "%s", difference)
		} else {
			r.agreed(1)
		}
	}
	doc := h.doc(object.with(m.Name, whole(m, right))).bytes()
	issues, refused := reader.errorsOf(doc)
	var others []resource.Issue
	for _, i := range issues {
		if i.Code != "invariant" {
			others = append(others, i)
		}
	}
	if refused != nil || len(others) > 0 {
		r.wrong(h.path+"."+m.Name+", right", doc, "refused: %v, issues %s", refused, show(others))
	} else {
		r.agreed(1)
	}
	for _, wrong := range misfits(m) {
		try("of another type", whole(m, wrong), expectation{code: "structure", paths: []string{item}})
	}
	if m.Element.Repeats {
		try("one for an array", right, expectation{code: "structure", paths: []string{path}})
	} else {
		try("array for one", list(right), expectation{code: "structure", paths: []string{path}})
	}
	try("null", null(), expectation{code: "structure", paths: []string{path}})
	try("empty array", list(), expectation{code: "structure", paths: []string{path}})
	if m.Type.Kind == fhirdef.Object {
		try("empty object", whole(m, of()), emptied(m.Type, item))
		try("unknown element", whole(m, right.with("stoker", raw("1"))), expectation{code: "structure", paths: []string{item + ".stoker"}})
	}
	for _, wrong := range wrongValues[m.Type.Kind] {
		try("wrong value", whole(m, raw(wrong)), expectation{code: valueCode(m), paths: []string{item}})
	}
	if isText(m.Type) && m.Name != "reference" {
		for _, doubtful := range doubtfulValues {
			try("doubtful value", whole(m, raw(doubtful)), expectation{code: "value", paths: []string{item}, warning: true})
		}
	}
	for _, wrong := range wrongCodes(m.Element.Binding) {
		if m.Type.Kind == fhirdef.Code {
			try("wrong code", whole(m, text(wrong)), expectation{code: "code-invalid", paths: []string{item}})
		}
	}
}

// emptied is what is expected where an object is empty: that it is, or what it lacks.
func emptied(t *fhirdef.Type, path string) expectation {
	var want expectation
	for _, e := range t.Elements {
		if e.Min > 0 {
			want.code = "required"
			want.paths = append(want.paths, path+"."+e.Name)
		}
	}
	if len(want.paths) == 0 {
		return expectation{code: "structure", paths: []string{path}}
	}
	return want
}
