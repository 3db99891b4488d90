package xhtml

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// invalid are the narratives with a fault among the official examples, the suppliers and
// HL7's test cases, by file and line.
var invalid = map[string]struct{ want, reason string }{
	"clinical.ndjson.gz:3":        {wantContent, "a div of white space alone; narrative.html: SHALL have some non-whitespace content"},
	"clinical.ndjson.gz:115":      {wantContent, "likewise"},
	"clinical.ndjson.gz:345":      {wantContent, "likewise, within pre"},
	"mixed.ndjson.gz:4030":        {wantRoot, "the div has no namespace, which makes it no XHTML"},
	"pat-security-bad-xhtml.json": {wantInactive, "HL7's validator: Constraint failed: txt-1 (a script)"},
	"xml-bad-entities.json":       {wantEntity, "HL7's validator: Invalid entity in the XHTML ('&reg;')"},
}

// TestSamples checks every Narrative.div there is.
func TestSamples(t *testing.T) {
	t.Parallel()
	checked := 0
	met := map[string]bool{}
	err := datatest.Each(func(path string, all []byte) {
		name := filepath.Base(path)
		isDocument := filepath.Ext(name) == ".json"
		if isDocument {
			all = bytes.ReplaceAll(all, []byte("\n"), nil)
		}
		for i, line := range bytes.Split(all, []byte("\n")) {
			place := fmt.Sprintf("%s:%d", name, i+1)
			if isDocument {
				place = name
			}
			for _, div := range datatest.Strings(line, "div") {
				checked++
				met[place] = true
				at, fault := Check([]byte(div))
				if fault != invalid[place].want {
					t.Errorf("%s: got %q at %d, want %q", place, fault, at, invalid[place].want)
				}
			}
		}
	}, "r4-examples", "suppliers", "fhir-test-cases")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d narratives, %d of them invalid", checked, len(invalid))
	for place, v := range invalid {
		if !met[place] {
			t.Errorf("%s is said to be invalid (%s), but not there", place, v.reason)
		}
	}
}

// BenchmarkCheck checks the narratives of the official examples: tables and lists with
// links, embedded images, and long texts.
func BenchmarkCheck(b *testing.B) {
	dir, err := datatest.Dir("r4-examples")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"clinical", "conformance"} {
		all, err := datatest.Read(filepath.Join(dir, name+".ndjson.gz"))
		if err != nil {
			b.Fatal(err)
		}
		var texts [][]byte
		var size int64
		for _, div := range datatest.Strings(all, "div") {
			texts = append(texts, []byte(div))
			size += int64(len(div))
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				for _, text := range texts {
					Check(text)
				}
			}
		})
	}
}
