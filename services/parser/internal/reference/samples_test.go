package reference

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// TestSamples reads every Reference.reference of the official examples, the suppliers and
// HL7's test cases. All are references but one.
func TestSamples(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		// A List's item.reference that is an id alone: "relative" needs a type (references.html#literal).
		// The case is one of those expected to be invalid, for other reasons.
		"bundle-ea-testcase.json": wantReference,
	}
	seen := map[Kind]int{}
	for _, folder := range []string{"r4-examples", "suppliers", "fhir-test-cases"} {
		files, err := datatest.Files(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			all, err := datatest.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Base(path)
			for number, document := range documents(path, all) {
				walk(document, func(text string) {
					r := Parse([]byte(text))
					seen[r.Kind]++
					if r.Fault != want[file] {
						t.Errorf("%s line %d: %q: got %q, want %q", file, number+1, text, r.Fault, want[file])
					}
				})
			}
		}
	}
	t.Logf("fragments %d, relative %d, absolute %d, urn %d, other %d, conditional %d",
		seen[Fragment], seen[Relative], seen[Absolute], seen[URN], seen[Other], seen[Conditional])
	for _, kind := range []Kind{Fragment, Relative, Absolute, URN, Other, Conditional} {
		if seen[kind] == 0 {
			t.Errorf("got no reference of kind %d, want some", kind)
		}
	}
}

// documents returns the lines of ndjson, or the one document that another file is. What is
// not JSON is left out.
func documents(path string, all []byte) map[int]any {
	lines := [][]byte{all}
	if strings.Contains(path, ".ndjson") {
		lines = bytes.Split(all, []byte("\n"))
	}
	found := map[int]any{}
	for i, line := range lines {
		var document any
		if bytes.Contains(line, []byte(`"reference"`)) && json.Unmarshal(line, &document) == nil {
			found[i] = document
		}
	}
	return found
}

// walk calls do for every string named reference.
func walk(value any, do func(text string)) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if text, ok := member.(string); ok && name == "reference" {
				do(text)
			}
			walk(member, do)
		}
	case []any:
		for _, element := range value {
			walk(element, do)
		}
	}
}
