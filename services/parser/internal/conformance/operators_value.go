package conformance

import (
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// isItem reports whether a value is what the member's type says: not the array around it.
func (v *valueSite) isItem() bool { return v.index >= 0 || v.node.kind != array }

func misfitValue(m *maker, v *valueSite) *mutant {
	if !v.isItem() || !v.member.Type.Kind.IsPrimitive() {
		return nil
	}
	return &mutant{v.node, pick(m, misfits(v.member)), structure(v.path)}
}

func arrayForOne(m *maker, v *valueSite) *mutant {
	if v.member.Element.Repeats {
		return nil
	}
	items := []*node{v.node}
	if m.IntN(2) == 0 {
		items = append(items, v.node)
	}
	return &mutant{v.node, list(items...), structure(v.path)}
}

func oneForArray(_ *maker, v *valueSite) *mutant {
	if v.node.kind != array || len(v.node.items) == 0 || v.node.items[0].isNull() {
		return nil
	}
	return &mutant{v.node, v.node.items[0], structure(v.path)}
}

func arrayInArray(_ *maker, v *valueSite) *mutant {
	if v.index < 0 {
		return nil
	}
	return &mutant{v.node, list(v.node), structure(v.path)}
}

func emptyArray(_ *maker, v *valueSite) *mutant {
	if v.object.node.get("_"+v.member.Name) != nil {
		return nil
	}
	return &mutant{v.node, list(), structure(v.path)}
}

func nullValue(_ *maker, v *valueSite) *mutant {
	if v.object.node.get("_"+v.member.Name) != nil {
		return nil
	}
	return &mutant{v.node, null(), structure(v.path)}
}

func wrongValue(m *maker, v *valueSite) *mutant {
	wrong := wrongValues[v.member.Type.Kind]
	if !v.isItem() || len(wrong) == 0 {
		return nil
	}
	return &mutant{v.node, raw(pick(m, wrong)), expectation{code: valueCode(v.member), paths: []string{v.path}}}
}

func doubtfulValue(m *maker, v *valueSite) *mutant {
	if !v.isItem() || !isText(v.member.Type) || v.member.Name == "reference" {
		return nil
	}
	return &mutant{v.node, raw(pick(m, doubtfulValues)), expectation{code: "value", paths: []string{v.path}, warning: true}}
}

// invalidCode expects that a code is not of its value set.
func invalidCode(v *valueSite) expectation {
	return expectation{code: "code-invalid", paths: []string{v.path}}
}

func wrongCode(m *maker, v *valueSite) *mutant {
	wrong := wrongCodes(v.member.Element.Binding)
	if !v.isItem() || v.member.Type.Kind != fhirdef.Code || len(wrong) == 0 {
		return nil
	}
	return &mutant{v.node, text(pick(m, wrong)), invalidCode(v)}
}

// enumerated is the value set that a CodeableConcept must be of, if it lists its codes. R4
// has no Coding with such a set.
func enumerated(v *valueSite) *fhirdef.ValueSet {
	set := v.member.Element.Binding
	if !v.isItem() || v.member.Type.Name != "CodeableConcept" || set == nil || set.Syntax != fhirdef.Enumerated {
		return nil
	}
	return set
}

// wrongCodings are Codings that are not of a value set.
func wrongCodings(set *fhirdef.ValueSet) []*node {
	right := set.Codes[0]
	return []*node{
		of("system", text(right.System), "code", text("stoker-code")),
		of("system", text("http://example.org/system"), "code", text(right.Code)),
		of("code", text(right.Code)),
		of("system", text(right.System)),
		of("display", text("a")),
	}
}

func wrongConcept(m *maker, v *valueSite) *mutant {
	set := enumerated(v)
	if set == nil {
		return nil
	}
	codings := []*node{pick(m, wrongCodings(set))}
	if m.IntN(2) == 0 {
		codings = append(codings, pick(m, wrongCodings(set)))
	}
	return &mutant{v.node, of("coding", list(codings...)), invalidCode(v)}
}

func textConcept(_ *maker, v *valueSite) *mutant {
	if enumerated(v) == nil {
		return nil
	}
	return &mutant{v.node, of("text", text("a")), invalidCode(v)}
}
