package resource

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// hasCode reports whether a code without system is of a value set.
func hasCode(set *fhirdef.ValueSet, code []byte) bool {
	switch set.Syntax {
	case fhirdef.Enumerated:
		return set.HasCode(code)
	case fhirdef.MIMEType:
		return isMIMEType(code)
	case fhirdef.Language:
		return isLanguage(code)
	case fhirdef.Currency:
		return isCurrency(code)
	case fhirdef.UCUM:
		return isUnit(code)
	default:
		return true
	}
}

// isMIMEType reports whether a code is a type and a subtype, with or without parameters
// (RFC 6838, RFC 2045), or one of FHIR's own words for a format, which elements of the value
// set allow in words (https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.format).
// The value set names BCP 13 as a whole.
func isMIMEType(code []byte) bool {
	switch string(code) {
	case "xml", "json", "ttl", "none":
		return true
	}
	slash := -1
	for i, c := range code {
		switch {
		case c == ';' || c == ' ':
			return slash > 0 && i > slash+1
		case c == '/' && slash < 0:
			slash = i
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("!#$&-^_.+*", c) >= 0:
		default:
			return false
		}
	}
	return slash > 0 && slash < len(code)-1
}

// isLanguage reports whether a code has the form of a language tag (BCP 47): subtags of at
// most eight letters and digits.
func isLanguage(code []byte) bool {
	size := 0
	for i, c := range code {
		switch {
		case c == '-':
			if size == 0 {
				return false
			}
			size = 0
			continue
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9' && size < i:
		default:
			return false
		}
		if size++; size > 8 {
			return false
		}
	}
	return size > 0
}

// isCurrency reports whether a code has the form of ISO 4217.
func isCurrency(code []byte) bool {
	if len(code) != 3 {
		return false
	}
	for _, c := range code {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// isUnit reports whether a code has the form of UCUM: printable ASCII without space.
func isUnit(code []byte) bool {
	for _, c := range code {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(code) > 0
}

// shownCodes is up to how many codes a message lists.
const shownCodes = 12

func expectedCode(set *fhirdef.ValueSet) string {
	switch set.Syntax {
	case fhirdef.MIMEType:
		return "must be a MIME type, as text/plain"
	case fhirdef.Language:
		return "must be a language, as en-GB"
	case fhirdef.Currency:
		return "must be a currency of ISO 4217, three capital letters"
	case fhirdef.UCUM:
		return "must be a unit of UCUM"
	case fhirdef.Enumerated, fhirdef.Unknown:
	}
	if len(set.Codes) > shownCodes {
		return "must be of the value set " + set.URL
	}
	var b strings.Builder
	b.WriteString("must be one of ")
	for i, c := range set.Codes {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(c.Code)
	}
	return b.String()
}

// expectedCoding is expectedCode with the system that the codes are of.
func expectedCoding(set *fhirdef.ValueSet) string {
	expected := expectedCode(set)
	if set.Syntax != fhirdef.Enumerated || len(set.Codes) == 0 || len(set.Codes) > shownCodes {
		return expected
	}
	system := set.Codes[0].System
	for _, c := range set.Codes {
		if c.System != system {
			return expected
		}
	}
	return expected + " of " + system
}

// coding checks a Coding by the required value set of its element, or notes for the
// CodeableConcept around it that it is of its one
// (https://hl7.org/fhir/R4/terminologies.html#required: one of the codings has to be).
func (r *Reader) coding(f *frame, start int) {
	if p := r.parent(); p.typ == r.types.codeableConcept && p.element != nil && p.element.Binding != nil {
		p.coded = p.coded || len(r.issues) > f.before || f.seen&^idBit == 0 || r.isOf(f, p.element.Binding)
		return
	}
	if set := f.element.Binding; set != nil && f.valued != 0 && len(r.issues) == f.before && !r.isOf(f, set) {
		r.reportChild("", start, "error", "code-invalid", expectedCoding(set))
	}
}

// isOf reports whether the Coding in hand is of a value set.
func (r *Reader) isOf(f *frame, set *fhirdef.ValueSet) bool {
	code := r.text(f, "code")
	if set.Syntax != fhirdef.Enumerated {
		return hasCode(set, code)
	}
	return set.Has(r.text(f, "system"), code)
}

// codeableConcept reports one that has no coding of the required value set. One that has
// only an extension says that there is none.
func (r *Reader) codeableConcept(f *frame, start int) {
	set := f.element.Binding
	if set == nil || set.Syntax == fhirdef.Unknown || f.coded {
		return
	}
	if bits := f.bit("coding") | f.bit("text"); f.seen&bits == 0 {
		return
	}
	message := expectedCoding(set)
	if f.seen&f.bit("coding") == 0 {
		message = "coding is missing: " + message
	}
	r.reportChild("", start, "error", "code-invalid", message)
}

// text is the text of a member of the object in hand that is a string, or nil.
func (r *Reader) text(f *frame, name string) []byte {
	m := f.typ.Member([]byte(name))
	if m == nil || f.valued>>m.Element.Index&1 == 0 {
		return nil
	}
	return lex.At(r.Doc, int(f.at[m.Element.Index])).Text
}

// bit is that of an element of the object in hand by its name.
func (f *frame) bit(name string) uint64 {
	if m := f.typ.Member([]byte(name)); m != nil {
		return 1 << m.Element.Index
	}
	return 0
}
