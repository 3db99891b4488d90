package conformance

import "github.com/stoker-fhir/stoker/pkg/fhirdef"

// companionOperators are mutations of primitives and their companions: the members with an
// underscore (https://hl7.org/fhir/R4/json.html#primitive). The object is replaced.
func companionOperators() []operator {
	extension := func(members ...any) *node { return of("extension", list(of(members...))) }
	right := extension("url", text("http://example.org/x"), "valueString", text("a"))
	single := func(companion *node, want func(path string) expectation) func(*maker, *valueSite) *mutant {
		return func(_ *maker, v *valueSite) *mutant {
			if !v.isAlone() || v.member.Element.Repeats {
				return nil
			}
			return &mutant{v.object.node, v.object.node.with("_"+v.member.Name, companion), want(v.path)}
		}
	}
	here := func(path string) expectation { return structure(path) }
	below := func(code, rest string) func(string) expectation {
		return func(path string) expectation { return expectation{code: code, paths: []string{path + rest}} }
	}
	return []operator{
		{name: "companion is a string", value: single(text("x"), here)},
		{name: "companion is null", value: single(null(), here)},
		{name: "companion is an array", value: single(list(right), here)},
		{name: "companion is empty", value: single(of(), here)},
		{name: "companion has an unknown element", value: single(of("id", text("a"), "value", text("x")), below("structure", ".value"))},
		{name: "companion with a value of another type", value: single(of("id", raw("1")), below("structure", ".id"))},
		{name: "extension of a companion without url", value: single(extension("valueString", text("a")), below("required", ".extension[0].url"))},
		{name: "extension of a companion without value", value: single(extension("url", text("http://example.org/x")), below("invariant", ".extension[0]"))},
		{name: "companion with only an id, no value", value: companionOnlyID},
		{name: "extension instead of a required code", value: codeByExtension(right)},
		{name: "companions are not an array", value: repeated(func(items []*node) (*node, *node) { return list(items...), right }, false)},
		{name: "companions are too many", value: repeated(func(items []*node) (*node, *node) {
			return list(items...), list(times(len(items)+1, right)...)
		}, false)},
		{name: "companions are too few", value: repeated(func(items []*node) (*node, *node) {
			return list(append(items[:len(items):len(items)], items[0])...), list(times(len(items), right)...)
		}, false)},
		{name: "companions are empty", value: repeated(func(items []*node) (*node, *node) { return list(items...), list() }, false)},
		{name: "null without companion", value: repeated(func(items []*node) (*node, *node) {
			return list(append([]*node{null()}, items...)...), nil
		}, true)},
		{name: "null in value and companion", value: repeated(func(items []*node) (*node, *node) {
			return list(append([]*node{null()}, items...)...), list(append([]*node{null()}, times(len(items), right)...)...)
		}, true)},
		{name: "null and a companion with only an id", value: repeated(func(items []*node) (*node, *node) {
			return list(append([]*node{null()}, items...)...), list(append([]*node{of("id", text("a"))}, times(len(items), right)...)...)
		}, true)},
		{name: "companion in an array is no object", value: repeated(func(items []*node) (*node, *node) {
			return list(items...), list(append([]*node{text("x")}, times(len(items)-1, right)...)...)
		}, true)},
	}
}

func times(n int, item *node) []*node {
	all := make([]*node, n)
	for i := range all {
		all[i] = item
	}
	return all
}

// isAlone reports whether a value is a primitive's, as a whole, without companion.
func (v *valueSite) isAlone() bool {
	return v.index < 0 && v.member.Type.Kind.IsPrimitive() && v.object.node.get("_"+v.member.Name) == nil
}

func companionOnlyID(_ *maker, v *valueSite) *mutant {
	if !v.isAlone() || v.member.Element.Repeats {
		return nil
	}
	n := v.object.node.without(v.member.Name).with("_"+v.member.Name, of("id", text("a")))
	return &mutant{v.object.node, n, structure(v.path)}
}

// codeByExtension has an extension in place of a code. "The concept in this element SHALL be
// from the specified value set" (https://hl7.org/fhir/R4/terminologies.html#required).
func codeByExtension(companion *node) func(*maker, *valueSite) *mutant {
	return func(_ *maker, v *valueSite) *mutant {
		if !v.isAlone() || v.member.Element.Repeats || !isBoundCode(v.member) {
			return nil
		}
		n := v.object.node.without(v.member.Name).with("_"+v.member.Name, companion)
		return &mutant{v.object.node, n, expectation{code: "code-invalid", paths: []string{v.path}}}
	}
}

// isBoundCode reports whether a member is a code of an enumerated value set.
func isBoundCode(m *fhirdef.Member) bool {
	set := m.Element.Binding
	return m.Type.Kind == fhirdef.Code && set != nil && set.Syntax == fhirdef.Enumerated
}

// repeated makes mutants of arrays of primitives and of their companions; the issue is
// about the first item, or about the array.
func repeated(change func(items []*node) (values, companions *node), first bool) func(*maker, *valueSite) *mutant {
	return func(_ *maker, v *valueSite) *mutant {
		if !v.isAlone() || !v.member.Element.Repeats || v.node.kind != array || len(v.node.items) == 0 {
			return nil
		}
		values, companions := change(v.node.items)
		n := v.object.node.with(v.member.Name, values)
		if companions != nil {
			n = n.with("_"+v.member.Name, companions)
		}
		index := -1
		if first {
			index = 0
		}
		return &mutant{v.object.node, n, structure(childPath(v.object.path, v.member, index))}
	}
}
