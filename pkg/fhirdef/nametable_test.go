package fhirdef

import (
	"fmt"
	"slices"
	"testing"
)

func TestNameTable(t *testing.T) {
	t.Parallel()
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("beginning%03dend......", i) // equal but in the middle: all collide
	}
	tests := map[string][]string{
		"empty":  {},
		"one":    {"id"},
		"short":  {"a", "b", "ab", "ba", "abc", "acb", "abcd", "abcde", "abcdefg", "abcdefgh", "abcdefghi"},
		"equal":  {"abcdefgh1abcdefgh", "abcdefgh2abcdefgh", "abcdefghabcdefgh"},
		"many":   many,
		"spaces": {"", " ", "  "},
	}
	for name, names := range tests {
		table := newNameTable(names, pointers(names))
		for _, want := range names {
			if got := table.find([]byte(want)); got == nil || *got != want {
				t.Errorf("%s: %q is not found", name, want)
			}
			if other := want + "x"; table.find([]byte(other)) != nil {
				t.Errorf("%s: %q is found", name, other)
			}
		}
		if !slices.Equal(table.names(), names) {
			t.Errorf("%s: names %q", name, table.names())
		}
	}
	var none nameTable[string]
	if none.find([]byte("id")) != nil || none.names() != nil {
		t.Error("the zero table has names")
	}
}

// TestCollisions holds that nearly all names are found at the first try.
func TestCollisions(t *testing.T) {
	t.Parallel()
	all, late := 0, 0
	for _, typ := range load(t).Types {
		for _, name := range typ.Names() {
			all++
			if s := typ.members.slots[hashName([]byte(name), typ.members.seed)>>typ.members.shift]; s.name != name {
				late++
			}
		}
	}
	if late > all/100 {
		t.Errorf("%d of %d names collide", late, all)
	}
}

func pointers(names []string) []*string {
	list := make([]*string, len(names))
	for i := range names {
		list[i] = &names[i]
	}
	return list
}

func BenchmarkMember(b *testing.B) {
	typ := load(b).Type("Observation")
	names := [][]byte{[]byte("resourceType")}
	for _, name := range typ.Names() {
		names = append(names, []byte(name))
	}
	i, found := 0, 0
	for b.Loop() {
		if typ.Member(names[i]) != nil {
			found++
		}
		if i++; i == len(names) {
			i = 0
		}
	}
	if found == 0 {
		b.Error("nothing found")
	}
}

func BenchmarkIsResourceType(b *testing.B) {
	name := []byte("MedicationAdministration")
	for b.Loop() {
		if !IsResourceType(R4, name) {
			b.Fatal("no resource type")
		}
	}
}

func BenchmarkHasCode(b *testing.B) {
	set, code := load(b).ValueSet("http://hl7.org/fhir/ValueSet/observation-status"), []byte("final")
	for b.Loop() {
		if !set.HasCode(code) {
			b.Fatal("no code")
		}
	}
}
