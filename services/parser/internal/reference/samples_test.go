package reference

import (
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
	err := datatest.Each(func(path string, all []byte) {
		file := filepath.Base(path)
		for _, text := range datatest.Strings(all, "reference") {
			r := Parse([]byte(text))
			seen[r.Kind]++
			if want := faults[place{file, text}]; r.Fault != want {
				t.Errorf("%s: %q: got %q, want %q", file, text, r.Fault, want)
			}
		}
	}, "r4-examples", "suppliers", "fhir-test-cases")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("fragments %d, relative %d, absolute %d, urn %d, other %d, conditional %d, none %d",
		seen[Fragment], seen[Relative], seen[Absolute], seen[URN], seen[Other], seen[Conditional], seen[None])
	for kind := range Conditional + 1 {
		if seen[kind] == 0 {
			t.Errorf("got no reference of kind %d, want some", kind)
		}
	}
}
