package primitive_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
	"github.com/stoker-fhir/stoker/services/parser/internal/primitive"
	"github.com/stoker-fhir/stoker/services/parser/internal/reference"
	"github.com/stoker-fhir/stoker/services/parser/internal/xhtml"
)

// Reasons of argued lines.
const (
	aboutNull = "json.html#null: null stands only in the arrays of a primitive, where its companion has the item; " +
		"google/fhir reads it as a value that is absent"
	aboutEmpty = "txt-2: the narrative SHALL have some non-whitespace content; json.html: a value is never empty"
	aboutNames = "no literal reference, but names of google/fhir's own messages: unknown elements are the structure's business"
)

// argued are the lines of google/fhir's files on which the verdict here differs from the
// file's name.
var argued = []struct{ file, line, reason string }{
	{"base64_binary.valid", "null", aboutNull},
	{"date.valid", "null", aboutNull},
	{"date_time.valid", "null", aboutNull},
	{"id.valid", "null", aboutNull},
	{"integer.valid", "null", aboutNull},
	{"markdown.valid", "null", aboutNull},
	{"positive_int.valid", "null", aboutNull},
	{"unsigned_int.valid", "null", aboutNull},
	{"uri.valid", "null", aboutNull},
	{"url.valid", "null", aboutNull},
	{"xhtml.valid", `""`, aboutEmpty},
	{"reference.invalid", `{"patient_id": "unknownField"}`, aboutNames},
	{"reference.invalid", `{"patientId": "unknownField"}`, aboutNames},
}

var kinds = map[string]fhirdef.Kind{
	"base64_binary": fhirdef.Base64Binary, "boolean": fhirdef.Boolean, "canonical": fhirdef.Canonical, "code": fhirdef.Code,
	"date": fhirdef.Date, "date_time": fhirdef.DateTime, "decimal": fhirdef.Decimal, "id": fhirdef.ID, "instant": fhirdef.Instant,
	"integer": fhirdef.Integer, "markdown": fhirdef.Markdown, "oid": fhirdef.OID, "positive_int": fhirdef.PositiveInt,
	"reference": fhirdef.Object, "string": fhirdef.String, "time": fhirdef.Time, "unsigned_int": fhirdef.UnsignedInt,
	"uri": fhirdef.URI, "url": fhirdef.URL, "uuid": fhirdef.UUID, "xhtml": fhirdef.XHTML,
}

// TestGoogleValues judges every line of google/fhir's values of primitive types.
func TestGoogleValues(t *testing.T) {
	t.Parallel()
	files, err := datatest.Files("primitives")
	if err != nil {
		t.Fatal(err)
	}
	lines, met := 0, make([]bool, len(argued))
	for _, path := range files {
		file := strings.TrimSuffix(filepath.Base(path), ".ndjson")
		name, verdict, _ := strings.Cut(file, ".")
		kind, ok := kinds[name]
		if !ok {
			t.Errorf("%s: no such type", file)
			continue
		}
		all, err := datatest.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bytes.Split(bytes.TrimSpace(all), []byte("\n")) {
			lines++
			want := verdict == "valid"
			for i, a := range argued {
				if a.file == file && a.line == string(line) {
					want, met[i] = !want, true
				}
			}
			if got := isRight(kind, line); got != want {
				t.Errorf("%s %s: got %v, want %v", file, line, got, want)
			}
		}
	}
	for i, a := range argued {
		if !met[i] {
			t.Errorf("%s %s is argued (%s), but not there", a.file, a.line, a.reason)
		}
	}
	t.Logf("%d values, %d of them argued", lines, len(argued))
}

// isRight judges a JSON value of a type, with the few rules of JSON that are the caller's.
func isRight(kind fhirdef.Kind, line []byte) bool {
	if !json.Valid(line) {
		return false
	}
	var text string
	isString := json.Unmarshal(line, &text) == nil && line[0] == '"'
	isNumber := line[0] == '-' || line[0] >= '0' && line[0] <= '9'
	switch kind {
	case fhirdef.Boolean:
		return string(line) == "true" || string(line) == "false"
	case fhirdef.Object:
		var r struct{ Reference *string }
		err := json.Unmarshal(line, &r)
		return err == nil && (r.Reference == nil || reference.Parse([]byte(*r.Reference)).Fault == "")
	case fhirdef.Decimal, fhirdef.Integer, fhirdef.PositiveInt, fhirdef.UnsignedInt:
		return isNumber && passes(kind, line)
	case fhirdef.XHTML:
		_, fault := xhtml.Check([]byte(text))
		return isString && fault == ""
	default:
		return isString && passes(kind, []byte(text))
	}
}

// passes counts warnings as wrong, as the suite does.
func passes(kind fhirdef.Kind, text []byte) bool {
	s, _ := primitive.Check(kind, text)
	return s == primitive.None
}
