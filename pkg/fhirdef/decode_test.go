package fhirdef

import (
	"fmt"
	"strings"
	"testing"
)

// small is a table with one line of each kind.
const small = `# header

fhir	1.2.3	test#1.2.3

object	Element
	id	0..1	string
	extension	0..*	Extension

any	Resource
	id	0..1	id

abstract	DomainResource	Resource
	contained	0..*	Resource

primitive	string

primitive	id

primitive	code

object	Extension	Element
	value[x]	1..1	string Reference(B|A)

object	Quantity

object	Reference	Element
	!	ref-1	warning best-practice	id	Words	id.exists()

resource	B	DomainResource
	code	1..1	code	urn:codes
	range[x]	0..3	string SimpleQuantity

resource	A	Resource

valueset	urn:codes	Codes
	urn:one
		x
		y z
	urn:two
		x

valueset	urn:open	Open	ucum
`

func TestDecode(t *testing.T) {
	t.Parallel()
	d, err := decode(small)
	if err != nil {
		t.Fatal(err)
	}
	if d.Version != "1.2.3" || d.Source != "test#1.2.3" || len(d.Types) != 10 {
		t.Errorf("version %s, source %s, %d types", d.Version, d.Source, len(d.Types))
	}
	if got := d.resources.names(); len(got) != 2 || got[0] != "A" || d.Types[1].Name != "B" {
		t.Errorf("resources %q", got)
	}
	value := d.Type("Extension").Member([]byte("valueReference"))
	if value == nil || value.Element.Index != 2 || d.Type("Extension").Required != 4 || !value.Element.Targets.Has(d.Type("B")) {
		t.Errorf("valueReference is %+v", value)
	}
	if e := d.Type("B").Member([]byte("rangeQuantity")).Element; !e.Simple || !e.Repeats || e.Min != 0 {
		t.Errorf("range is %+v", *e)
	}
	want := Constraint{Key: "ref-1", Severity: "warning", Human: "Words", Expression: "id.exists()", Element: "id", Practice: true}
	if got := d.Type("Reference").Constraints; len(got) != 1 || got[0] != want {
		t.Errorf("constraints %+v", got)
	}
	codes := d.Type("B").Member([]byte("code")).Element.Binding
	if len(codes.Codes) != 3 || !codes.Has([]byte("urn:two"), []byte("x")) || codes.Has([]byte("urn:two"), []byte("y z")) {
		t.Errorf("codes %v", codes.Codes)
	}
	if d.ValueSet("urn:open").Syntax != UCUM {
		t.Error("urn:open is not UCUM")
	}
	again, err := decode(strings.Replace(small, "# header", "# another", 1))
	if err != nil || again.Checksum != d.Checksum {
		t.Errorf("the header counts in the checksum, or %v", err)
	}
	other, err := decode(strings.Replace(small, "y z", "y", 1))
	if err != nil || other.Checksum == d.Checksum {
		t.Errorf("a code does not count in the checksum, or %v", err)
	}
}

func TestDecodeFails(t *testing.T) {
	t.Parallel()
	tests := map[string][2]string{ // what is replaced by what
		"no header":           {"# header\n", ""},
		"no version":          {"fhir	1.2.3	test#1.2.3\n\n", ""},
		"unknown keyword":     {"any	Resource", "every	Resource"},
		"unknown primitive":   {"primitive	code", "primitive	codes"},
		"repeated type":       {"resource	A	Resource", "resource	B	Resource"},
		"base that is later":  {"object	Element\n", "object	Element	Reference\n"},
		"unknown base":        {"object	Element\n", "object	Element	Base\n"},
		"unknown type":        {"0..1	string", "0..1	text"},
		"abstract type":       {"0..*	Resource", "0..*	DomainResource"},
		"unknown value set":   {"code	urn:codes", "code	urn:other"},
		"unknown syntax":      {"Open	ucum", "Open	iso"},
		"no cardinality":      {"	0..1	string", "	x..1	string"},
		"too few fields":      {"	0..1	string", "	0..1"},
		"target no resource":  {"(B|A)", "(B|Quantity)"},
		"target unknown":      {"(B|A)", "(B|C)"},
		"too many elements":   {"	extension	0..*	Extension\n", elements(64)},
		"repeated element":    {"	0..1	string\n", "	0..1	string\n	id	0..1	string\n"},
		"type without name":   {"object	Quantity", "object	"},
		"head of one field":   {"any	Resource", "any"},
		"constraint of three": {"	id	Words	id.exists()", ""},
	}
	for name, tt := range tests {
		if table := strings.Replace(small, tt[0], tt[1], 1); table == small {
			t.Errorf("%s: nothing is replaced", name)
		} else if _, err := decode(table); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func elements(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "	element%d	0..1	string\n", i)
	}
	return b.String()
}

func FuzzDecode(f *testing.F) {
	f.Add(small)
	f.Fuzz(func(t *testing.T, table string) {
		d, err := decode(table)
		if err != nil {
			return
		}
		for i, typ := range d.Types {
			if typ.ID != i || d.Type(typ.Name) != typ {
				t.Errorf("type %d is not found", i)
			}
			for _, name := range typ.Names() {
				if m := typ.Member([]byte(name)); m == nil || m.Name != name {
					t.Errorf("member %q is not found", name)
				}
			}
		}
	})
}

// TestDecodeMemory is alone: allocations of other tests would be counted.
func TestDecodeMemory(t *testing.T) {
	r := testing.Benchmark(BenchmarkDecode)
	if got := r.AllocedBytesPerOp(); got > 20<<20 {
		t.Errorf("decoding allocates %d bytes, want at most 20 MiB", got)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(tableR4); err != nil {
			b.Fatal(err)
		}
	}
}
