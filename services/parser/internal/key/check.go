package key

import (
	"unicode"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// MaxIDLength is the greatest length in bytes of an id that can be stored. FHIR allows 64.
const MaxIDLength = 255

// CheckType returns nil if the document is a resource of a type of the FHIR version, else
// what is wrong.
func CheckType(version string, d *resource.Document) *fhirmsg.Issue {
	t := d.ResourceType
	switch {
	case d.Kind != lex.Object:
		return problem("structure", "not a FHIR resource: expected a JSON object", d.Start)
	case t.Kind == lex.Absent:
		return problem("structure", "not a FHIR resource: no resourceType", d.Start)
	case t.Kind != lex.String:
		return problem("structure", "not a FHIR resource: resourceType must be a string", t.Start)
	case fhirdef.IsResourceType(version, t.Text):
		return nil
	}
	text := "resourceType"
	if looksLikeType(t.Text) {
		text += " " + string(t.Text)
	}
	return problem("value", text+" is not a resource of FHIR "+version+": check its spelling and the FHIR version", t.Start)
}

// looksLikeType: what is shown of an unknown type can be a name only.
func looksLikeType(b []byte) bool {
	for _, c := range b {
		if lower := c | 0x20; lower < 'a' || lower > 'z' {
			return false
		}
	}
	return len(b) >= 1 && len(b) <= 64
}

// CheckID returns nil if the resource has an id that can be stored, else what is wrong.
// An absent id has the code required.
func CheckID(d *resource.Document) *fhirmsg.Issue {
	var p *fhirmsg.Issue
	switch d.ID.Kind {
	case lex.Absent:
		p = problem("required", "id is missing: a resource needs one to be stored", d.Start)
	case lex.String:
		fault := Fault(d.ID.Text)
		if fault == "" {
			return nil
		}
		p = problem("value", "id "+fault, d.ID.Start)
	default:
		p = problem("structure", "id must be a string", d.ID.Start)
	}
	p.Expression = string(d.ResourceType.Text) + ".id"
	return p
}

// Fault says why an id cannot be stored; "" is that it can. It goes on after the word id.
func Fault(id []byte) string {
	switch {
	case len(id) == 0:
		return "is empty: expected 1 to 64 letters, digits, '-' and '.'"
	case len(id) > MaxIDLength:
		return "is too long: expected at most 64 characters; more than 255 bytes cannot be stored"
	}
	for i := 0; i < len(id); {
		c := rune(id[i])
		size := 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(id[i:])
		}
		if c == '/' || unicode.IsControl(c) {
			return "has '/' or a control character: expected letters, digits, '-' and '.'"
		}
		i += size
	}
	return ""
}

// IsUsual reports whether an id matches FHIR's own pattern, [A-Za-z0-9\-\.]{1,64}. One that
// does not but has no [Fault] is stored and reported.
func IsUsual(id []byte) bool {
	for _, c := range id {
		lower := c | 0x20
		if (lower < 'a' || lower > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 64
}

func problem(code, text string, offset int) *fhirmsg.Issue {
	return &fhirmsg.Issue{Severity: "error", Code: code, Diagnostics: text, Offset: int64(offset)}
}
