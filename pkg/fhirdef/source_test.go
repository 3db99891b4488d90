package fhirdef

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSource compares the table with the package that it is from, read in another way than
// the generator does: each element of each snapshot.
func TestSource(t *testing.T) {
	t.Parallel()
	d := load(t)
	types := map[string]int{} // elements seen
	constraints := 0
	for s := range lines[sourceType](t, "StructureDefinition") {
		for i, e := range s.Snapshot.Element {
			owner := ownerOf(d, s, e)
			constraints += checkConstraints(t, owner, e)
			dot := strings.LastIndexByte(e.Path, '.')
			if dot < 0 || s.Kind == "primitive-type" {
				continue
			}
			parent := e.Path[:dot]
			typ := d.Type(parent)
			if parent == "DomainResource" || parent == "BackboneElement" {
				continue // bases only
			}
			if typ == nil || len(typ.Elements) <= types[parent] {
				t.Fatalf("%s: element %d of its type is missing", e.Path, types[parent])
			}
			got := typ.Elements[types[parent]]
			types[parent]++
			if err := e.same(d, s, got, i); err != nil {
				t.Errorf("%s: %v", e.Path, err)
			}
			for n := range got.Types {
				name := e.memberName(n)
				m := typ.Member([]byte(name))
				if m == nil || m.Element != got || m.Type != got.Types[n] || m.Name != name || !slices.Contains(typ.Names(), name) {
					t.Errorf("%s: member %s is %v", e.Path, name, m)
				}
			}
		}
	}
	want := 0
	for _, typ := range d.Types {
		if len(typ.Elements) != types[typ.Name] {
			t.Errorf("%s: %d elements, want %d", typ.Name, len(typ.Elements), types[typ.Name])
		}
		want += len(typ.Constraints)
	}
	if constraints != want {
		t.Errorf("%d constraints in the package, %d in the table", constraints, want)
	}
}

func TestSourceValueSets(t *testing.T) {
	t.Parallel()
	d := load(t)
	checked := map[*ValueSet]bool{}
	for s := range lines[sourceSet](t, "ValueSet-expansions") {
		set := d.ValueSet(s.URL)
		if set == nil || set.Syntax != Enumerated {
			continue
		}
		checked[set] = true
		var want []Coding
		s.Expansion.each(func(c sourceCode) {
			if !c.Abstract {
				want = append(want, Coding{c.System, c.Code})
			}
		})
		if !slices.Equal(set.Codes, want) {
			t.Errorf("%s: %d codes, want %d", s.URL, len(set.Codes), len(want))
		}
		for _, c := range want {
			if !set.Has([]byte(c.System), []byte(c.Code)) || !set.HasCode([]byte(c.Code)) {
				t.Errorf("%s: no %s|%s", s.URL, c.System, c.Code)
			}
		}
	}
	for url, set := range d.valueSets {
		if set.URL != url || set.Syntax == Enumerated && !checked[set] {
			t.Errorf("%s: enumerated without an expansion", url)
		}
	}
}

// The parts of the package that are compared.
type (
	sourceType struct {
		Type, Kind string
		Abstract   bool
		Snapshot   struct{ Element []sourceElement }
	}
	sourceElement struct {
		Path, Max, ContentReference string
		Min                         int
		Type                        []struct {
			Code                   string
			Profile, TargetProfile []string
			Extension              []struct{ ValueURL string }
		}
		Binding struct {
			Strength, ValueSet string
			Extension          []struct{ ValueCanonical string }
		}
		Constraint []struct{ Key, Severity, Human, Expression, Source string }
	}
	sourceSet struct {
		URL       string
		Expansion sourceCode
	}
	sourceCode struct {
		System, Code string
		Abstract     bool
		Contains     []sourceCode
	}
)

func (c sourceCode) each(f func(sourceCode)) {
	for _, c := range c.Contains {
		f(c)
		c.each(f)
	}
}

const prefix = "http://hl7.org/fhir/StructureDefinition/"

func (e sourceElement) memberName(n int) string {
	name, choice := strings.CutSuffix(e.Path[strings.LastIndexByte(e.Path, '.')+1:], "[x]")
	if choice {
		code := e.Type[n].Code
		name += strings.ToUpper(code[:1]) + code[1:]
	}
	return name
}

// same tells how an element differs from its definition.
func (e sourceElement) same(d *Definitions, s sourceType, got *Element, position int) error {
	name := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
	if got.Name != strings.TrimSuffix(name, "[x]") || got.Choice != strings.HasSuffix(name, "[x]") ||
		got.Min != e.Min || got.Repeats != (e.Max != "1") {
		return fmt.Errorf("is %+v", *got)
	}
	var types, targets []string
	simple := false
	for _, t := range e.Type {
		code := t.Code
		switch {
		case code == "BackboneElement" || code == "Element":
			code = e.Path
		case position == 1 && s.Kind == "resource":
			code = "id"
		case strings.HasPrefix(code, "http:"):
			code = t.Extension[0].ValueURL
		}
		types = append(types, code)
		if len(targets) == 0 || code == "Reference" {
			targets = targets[:0]
			for _, url := range t.TargetProfile {
				targets = append(targets, strings.TrimPrefix(url, prefix))
			}
		}
		simple = simple || slices.Contains(t.Profile, prefix+"SimpleQuantity")
	}
	if e.ContentReference != "" {
		types = append(types, strings.TrimPrefix(e.ContentReference, "#"))
	}
	if slices.Contains(targets, "Resource") {
		targets = nil
	}
	var gotTypes []string
	for _, t := range got.Types {
		gotTypes = append(gotTypes, t.Name)
		if d.Type(t.Name) != t {
			return fmt.Errorf("type %s is not the one of that name", t.Name)
		}
	}
	if !slices.Equal(gotTypes, types) || got.Simple != simple {
		return fmt.Errorf("types %q, simple %v; want %q, %v", gotTypes, got.Simple, types, simple)
	}
	if (got.Targets != nil) != (len(targets) > 0) || got.Targets != nil && !slices.Equal(got.Targets.Names, targets) {
		return fmt.Errorf("targets %v, want %q", got.Targets, targets)
	}
	url := ""
	if e.Binding.Strength == "required" {
		url, _, _ = strings.Cut(e.Binding.ValueSet, "|")
	}
	for _, x := range e.Binding.Extension {
		if x.ValueCanonical == "http://hl7.org/fhir/ValueSet/all-languages" && e.Type[0].Code == "code" {
			url = x.ValueCanonical // the maximum value set, checked by its syntax
		}
	}
	if (got.Binding != nil) != (url != "") || got.Binding != nil && got.Binding != d.ValueSet(url) {
		return fmt.Errorf("binding %v, want %q", got.Binding, url)
	}
	return nil
}

// owner is the type that has the constraints on an element.
type owner struct {
	typ     *Type
	element string
	source  string // the type that the element is of
}

func ownerOf(d *Definitions, s sourceType, e sourceElement) owner {
	if typ := d.Type(e.Path); typ != nil {
		return owner{typ: typ}
	}
	dot := strings.LastIndexByte(e.Path, '.')
	if dot < 0 {
		return owner{}
	}
	o := owner{typ: d.Type(e.Path[:dot]), element: strings.TrimSuffix(e.Path[dot+1:], "[x]")}
	if len(e.Type) > 0 {
		o.source = prefix + e.Type[0].Code
	}
	return o
}

// checkConstraints returns how many constraints of an element the table must have.
func checkConstraints(t *testing.T, o owner, e sourceElement) int {
	t.Helper()
	n := 0
	for _, c := range e.Constraint {
		if c.Key == "ele-1" || strings.HasPrefix(c.Key, "dom-") || c.Source == o.source && o.source != "" {
			continue
		}
		if o.typ == nil || c.Key == "ext-1" && o.typ.Name != "Extension" {
			continue
		}
		n++
		if !slices.ContainsFunc(o.typ.Constraints, func(got Constraint) bool {
			return got.Key == c.Key && got.Severity == c.Severity && got.Human == c.Human && got.Expression == c.Expression && got.Element == o.element
		}) {
			t.Errorf("%s: constraint %s is missing", e.Path, c.Key)
		}
	}
	return n
}

// lines decodes each line of a file of the package.
func lines[T any](t *testing.T, name string) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		f, err := os.Open(filepath.Join("../../../shared/data/definitions/hl7.fhir.r4.core-4.0.1", name+".ndjson.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for decoder := json.NewDecoder(bufio.NewReader(z)); ; {
			var v T
			if err := decoder.Decode(&v); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if !yield(v) {
				return
			}
		}
	}
}
