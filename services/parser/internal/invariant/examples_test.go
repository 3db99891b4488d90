package invariant

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// faulty are the official examples that break a constraint, with the reason.
var faulty = map[string]string{}

// TestExamples: none of the examples that HL7 publishes with the specification breaks a
// constraint, except those that truly do.
func TestExamples(t *testing.T) {
	t.Parallel()
	d := definitions(t)
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	files, err := datatest.Files("r4-examples")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	resources := 0
	for _, file := range files {
		if !strings.HasSuffix(file, ".ndjson.gz") {
			continue
		}
		b, err := datatest.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			doc := lines.Bytes()
			n := readResource(d, doc)
			if n == nil {
				t.Fatal("not a resource")
			}
			resources++
			name := n.node.Type.Name + "/" + string(text(doc, n.node.value("id")))
			n.checkAll(s, func(typ *fhirdef.Type, f Finding) {
				if f.Constraint.Severity == "warning" {
					return
				}
				key := name + " " + f.Constraint.Key
				if faulty[key] == "" {
					t.Errorf("%s on %s %s: %s", key, typ.Name, f.Element, f.Constraint.Human)
				}
				got[key] = true
			})
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if resources == 0 {
		t.Error("no examples")
	}
	for key := range faulty {
		if !got[key] {
			t.Errorf("%s is listed and not found", key)
		}
	}
}

// readResource reads a resource of any type.
func readResource(d *fhirdef.Definitions, doc []byte) *tree {
	typ := d.Resource(text(doc, member(doc, 0, "resourceType")))
	if typ == nil {
		return nil
	}
	return read(d, doc, 0, typ)
}
