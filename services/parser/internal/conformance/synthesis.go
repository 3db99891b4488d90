package conformance

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// literals are values of the primitive types, as JSON.
var literals = map[fhirdef.Kind]string{
	fhirdef.Base64Binary: `"YWJj"`,
	fhirdef.Boolean:      `true`,
	fhirdef.Canonical:    `"http://example.org/canonical|1.0"`,
	fhirdef.Code:         `"a code"`,
	fhirdef.Date:         `"2020-02-29"`,
	fhirdef.DateTime:     `"2020-02-29T23:59:59.999+13:45"`,
	fhirdef.Decimal:      `-1.50`,
	fhirdef.ID:           `"a-1.b"`,
	fhirdef.Instant:      `"2020-02-29T00:00:00Z"`,
	fhirdef.Integer:      `-7`,
	fhirdef.Markdown:     `"*a*\nb"`,
	fhirdef.OID:          `"urn:oid:1.2.3"`,
	fhirdef.PositiveInt:  `1`,
	fhirdef.String:       `"ä b"`,
	fhirdef.Time:         `"23:59:00"`,
	fhirdef.UnsignedInt:  `0`,
	fhirdef.URI:          `"urn:example:a"`,
	fhirdef.URL:          `"https://example.org/a?b=c"`,
	fhirdef.UUID:         `"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"`,
	fhirdef.XHTML:        `"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"`,
}

// codesOfSyntax are codes of the value sets that are not enumerated.
var codesOfSyntax = map[fhirdef.Syntax]string{
	fhirdef.Unknown: "anything", fhirdef.MIMEType: "text/plain", fhirdef.Language: "de-AT", fhirdef.Currency: "EUR", fhirdef.UCUM: "mg/dL",
}

// codingOf returns a code and system of a value set.
func codingOf(set *fhirdef.ValueSet) fhirdef.Coding {
	if set.Syntax == fhirdef.Enumerated {
		return set.Codes[0]
	}
	return fhirdef.Coding{System: "http://example.org/system", Code: codesOfSyntax[set.Syntax]}
}

// synthesis makes a value of one item of a member: the least that structure and bindings
// ask for. Invariants may be broken.
func synthesis(m *fhirdef.Member) *node {
	set := m.Element.Binding
	switch {
	case m.Type.Kind == fhirdef.Code && set != nil, m.Type.Name == "string" && set != nil, m.Type.Name == "uri" && set != nil:
		return text(codingOf(set).Code)
	case m.Name == "reference" && m.Type.Kind == fhirdef.String:
		return text("http://example.org/anything")
	case m.Type.Kind.IsPrimitive():
		return raw(literals[m.Type.Kind])
	case m.Type.Kind == fhirdef.AnyResource:
		return of("resourceType", text("Basic"), "id", text("synthesis"), "code", of("text", text("a")))
	}
	switch m.Type.Name {
	case "Reference":
		target := "Basic"
		if m.Element.Targets != nil {
			target = m.Element.Targets.Names[0]
		}
		return of("reference", text(target+"/1"))
	case "Extension":
		return of("url", text("http://example.org/extension"), "valueString", text("a"))
	case "Coding", "CodeableConcept":
		if set == nil {
			break
		}
		c := codingOf(set)
		coding := of("system", text(c.System), "code", text(c.Code))
		if m.Type.Name == "CodeableConcept" {
			return of("coding", list(coding))
		}
		return coding
	}
	return least(m.Type)
}

// least makes an object of a type with what is required, or with one element.
func least(t *fhirdef.Type) *node {
	n := of()
	if t.Kind == fhirdef.Resource {
		n = n.with("resourceType", text(t.Name))
	}
	for _, e := range t.Elements {
		if e.Min > 0 {
			m := memberOf(t, e, 0)
			n = n.with(m.Name, whole(m, synthesis(m)))
		}
	}
	if len(n.members) > 0 {
		return n
	}
	for _, e := range t.Elements {
		if m := memberOf(t, e, 0); m.Type.Kind.IsPrimitive() && e.Name != "id" {
			return n.with(m.Name, whole(m, synthesis(m)))
		}
	}
	m := t.Member([]byte("extension"))
	return n.with("extension", list(synthesis(m)))
}

// memberOf returns the member of an element of one of its types.
func memberOf(t *fhirdef.Type, e *fhirdef.Element, choice int) *fhirdef.Member {
	name := e.Name
	if e.Choice {
		typ := e.Types[choice].Name
		name += strings.ToUpper(typ[:1]) + typ[1:]
	}
	return t.Member([]byte(name))
}

// whole makes the value of a member of one item.
func whole(m *fhirdef.Member, item *node) *node {
	if m.Element.Repeats {
		return list(item)
	}
	return item
}

// misfits are values of another JSON type than a member's items have, arrays aside.
func misfits(m *fhirdef.Member) []*node {
	k := m.Type.Kind
	var all []*node
	if k != fhirdef.Boolean {
		all = append(all, raw("true"))
	}
	if !isNumber(k) {
		all = append(all, raw("12"))
	}
	if !k.IsPrimitive() || k == fhirdef.Boolean || isNumber(k) {
		all = append(all, text("x"), text("1"), text("true"))
	}
	if k.IsPrimitive() {
		all = append(all, of("value", text("x")), of())
	}
	return all
}

func isNumber(k fhirdef.Kind) bool {
	return k == fhirdef.Decimal || k == fhirdef.Integer || k == fhirdef.PositiveInt || k == fhirdef.UnsignedInt
}
