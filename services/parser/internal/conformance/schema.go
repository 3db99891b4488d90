package conformance

import (
	"bytes"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// class is a class of errors that HL7's JSON schema does not see, and why.
type class struct {
	name, why string
	is        func(doc []byte, i resource.Issue) bool
}

func has(code string, parts ...string) func([]byte, resource.Issue) bool {
	return func(_ []byte, i resource.Issue) bool {
		if i.Code != code {
			return false
		}
		for _, part := range parts {
			if strings.Contains(i.Message, part) {
				return true
			}
		}
		return len(parts) == 0
	}
}

// unseen are the classes of errors that the JSON schema of R4 does not see. It is a grammar
// with patterns; it lists codes for some elements of type code alone, and as required only what
// is neither primitive nor a choice.
var unseen = []class{
	{"narrative", "the schema takes any string for a div", func(_ []byte, i resource.Issue) bool {
		return strings.HasSuffix(i.Expression, ".div") && i.Code == "invariant"
	}},
	{"invariant", "the schema has no invariants", has("invariant")},
	{"reference", "the schema takes any string for a reference, to any type", func(_ []byte, i resource.Issue) bool {
		return i.Code == "value" && strings.HasSuffix(i.Expression, ".reference")
	}},
	{"required primitive or choice", "the schema does not require primitives, which may have only a companion, nor choices", has("required")},
	{"binding", "the schema lists the codes of some elements of type code alone", has("code-invalid")},
	{"array for an object", "the schema's complex types lack \"type\": \"object\", so that it takes an array for one", func(doc []byte, i resource.Issue) bool {
		return i.Code == "structure" && bytes.HasPrefix(bytes.ReplaceAll(doc[i.Offset:min(i.Offset+100, len(doc))], []byte(" "), nil), []byte("[{"))
	}},
	{"empty", "the schema takes empty arrays and objects", has("structure", "must not be empty", "(ele-1)")},
	{"choice", "the schema takes several types of a choice at once", has("structure", "exclude each other")},
	{"value", "the schema's patterns know no calendar, no ranges of numbers and no lengths", has("value")},
}

// seen is the class of errors that the schema sees too.
const seen = "seen"

// classOf returns the class of the issues of a document: that of the first that the schema
// should have seen, or of the first at all.
func classOf(doc []byte, issues []resource.Issue) string {
	first := ""
	for _, i := range issues {
		name := seen
		for _, c := range unseen {
			if c.is(doc, i) {
				name = c.name
				break
			}
		}
		if name == seen {
			return seen
		}
		if first == "" {
			first = name
		}
	}
	return first
}

func whyUnseen(name string) string {
	for _, c := range unseen {
		if c.name == name {
			return c.why
		}
	}
	return ""
}
