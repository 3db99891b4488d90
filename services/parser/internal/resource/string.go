package resource

import (
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/xhtml"
)

// string checks the string Doc[start:end], just read, the value of the member in hand.
func (r *Reader) string(f *frame, start, end int) {
	text := r.Text(start, end)
	m := f.member
	if m.Type.Kind == fhirdef.XHTML {
		if at, expected := xhtml.Check(text); expected != "" {
			r.report(start+1+lex.RawOffset(r.Doc[start+1:end-1], at), "error", "invariant", expected)
		}
		return
	}
	if !r.primitive(start, m.Type.Kind, text) {
		return
	}
	switch {
	case f.typ == r.types.reference:
		if m.Element.Name == "reference" {
			r.reference(f, text, start)
		}
	case m.Element.Binding != nil:
		if set := m.Element.Binding; !hasCode(set, text) {
			r.report(start, "error", "code-invalid", expectedCode(set))
		}
	case text[0] == '#':
		switch m.Type.Kind {
		case fhirdef.Canonical, fhirdef.URI, fhirdef.URL:
			r.mention(text[1:], start, nil)
		}
	}
}
