package reference

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// TestSamples reads every Reference.reference of the official examples, the suppliers and
// HL7's test cases. All are references but one.
func TestSamples(t *testing.T) {
	t.Parallel()
	type place struct{ file, text string }
	faults := map[place]string{
		// An id alone has no type (references.html#literal). HL7 expects the file to be invalid too.
		{"bundle-ea-testcase.json", "denom-EXM104"}: wantReference,
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
			for _, text := range texts(all) {
				r := Parse([]byte(text))
				seen[r.Kind]++
				if want := faults[place{file, text}]; r.Fault != want {
					t.Errorf("%s: %q: got %q, want %q", file, text, r.Fault, want)
				}
			}
		}
	}
	t.Logf("fragments %d, relative %d, absolute %d, urn %d, other %d, conditional %d, none %d",
		seen[Fragment], seen[Relative], seen[Absolute], seen[URN], seen[Other], seen[Conditional], seen[None])
	for kind := range Conditional + 1 {
		if seen[kind] == 0 {
			t.Errorf("got no reference of kind %d, want some", kind)
		}
	}
}

// texts returns the strings that are the value of a member named reference, in one document
// or many.
func texts(all []byte) (found []string) {
	name := []byte(`"reference"`)
	for {
		i := bytes.Index(all, name)
		if i < 0 {
			return found
		}
		all = bytes.TrimLeft(all[i+len(name):], " \t\r\n")
		value, isName := bytes.CutPrefix(all, []byte(":"))
		value = bytes.TrimLeft(value, " \t\r\n")
		if !isName || len(value) == 0 || value[0] != '"' {
			continue
		}
		end := 1 + bytes.IndexByte(value[1:], '"')
		var text string
		if json.Unmarshal(value[:end+1], &text) == nil {
			found = append(found, text)
		}
	}
}
