package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// bases are the types whose elements others begin with, each after those that it builds on
// itself. A type names the last of them that fits, and lists only what it adds.
var bases = []string{"Element", "BackboneElement", "Quantity", "Resource", "DomainResource"}

// table is what has been written of the types.
type table struct {
	out      *bytes.Buffer
	elements map[string][]string // lines of the bases
	known    map[string]bool     // resources and data types, which types may refer to
	bound    map[string]bool     // value sets of required bindings
}

// object is a type that is being written.
type object struct {
	name        string
	elements    []string
	constraints []string
}

func (d *definitions) write(out *bytes.Buffer) error {
	types, err := d.sorted()
	if err != nil {
		return err
	}
	t := table{out: out, elements: map[string][]string{}, known: map[string]bool{}, bound: map[string]bool{}}
	for i := range types {
		t.known[types[i].Type] = true
	}
	for i := range types {
		if err := t.write(&types[i]); err != nil {
			return fmt.Errorf("%s: %w", types[i].Type, err)
		}
	}
	d.writeValueSets(out, t.bound)
	return nil
}

// write writes a definition: the type, and the backbone elements in it, each named by its
// path.
func (t *table) write(s *structureDefinition) error {
	if s.Kind == "primitive-type" {
		fmt.Fprintf(t.out, "\nprimitive\t%s\n", s.Type)
		return nil
	}
	objects := []*object{{name: s.Type}}
	find := func(path string) *object {
		i := slices.IndexFunc(objects, func(o *object) bool { return o.name == path })
		if i < 0 {
			return nil
		}
		return objects[i]
	}
	for i := range s.Snapshot.Element {
		e := &s.Snapshot.Element[i]
		dot := strings.LastIndexByte(e.Path, '.')
		if dot < 0 {
			objects[0].constrain(s, e, "")
			continue
		}
		parent := find(e.Path[:dot])
		if parent == nil {
			return fmt.Errorf("%s: no element that it is part of", e.Path)
		}
		if e.Max == "0" {
			continue
		}
		line, isBackbone, err := t.element(s, e)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		parent.elements = append(parent.elements, line)
		if isBackbone {
			o := &object{name: e.Path}
			o.constrain(s, e, "")
			objects = append(objects, o)
		} else {
			parent.constrain(s, e, strings.TrimSuffix(e.Path[dot+1:], "[x]"))
		}
	}
	for i, o := range objects {
		keyword := "object"
		switch {
		case i == 0 && s.Type == "Resource":
			keyword = "any"
		case i == 0 && s.Kind == "resource" && s.Abstract, s.Type == "BackboneElement":
			keyword = "abstract"
		case i == 0 && s.Kind == "resource":
			keyword = "resource"
		}
		t.writeObject(keyword, o)
	}
	if slices.Contains(bases, s.Type) {
		t.elements[s.Type] = objects[0].elements
	}
	return nil
}

func (t *table) writeObject(keyword string, o *object) {
	fmt.Fprintf(t.out, "\n%s\t%s", keyword, o.name)
	elements := o.elements
	for _, base := range slices.Backward(bases) {
		shared := t.elements[base]
		if n := len(shared); n > 0 && n <= len(elements) && slices.Equal(shared, elements[:n]) {
			fmt.Fprintf(t.out, "\t%s", base)
			elements = elements[n:]
			break
		}
	}
	fmt.Fprintln(t.out)
	for _, line := range slices.Concat(elements, o.constraints) {
		fmt.Fprintln(t.out, line)
	}
}

// element returns the line of an element, and whether it is a backbone element: one whose
// elements follow.
func (t *table) element(s *structureDefinition, e *elementDefinition) (line string, isBackbone bool, err error) {
	if e.Max != "1" && e.Max != "*" {
		if _, err := strconv.Atoi(e.Max); err != nil {
			return "", false, fmt.Errorf("max is %q", e.Max)
		}
	}
	var types []string
	for _, ref := range e.Type {
		name, err := t.typeName(s, e, ref)
		if err != nil {
			return "", false, err
		}
		isBackbone = isBackbone || name == e.Path
		types = append(types, name)
	}
	if e.ContentReference != "" {
		types = append(types, e.ContentReference[strings.IndexByte(e.ContentReference, '#')+1:])
	}
	if len(types) == 0 || len(types) > 1 && !strings.HasSuffix(e.Path, "[x]") {
		return "", false, fmt.Errorf("%d types", len(types))
	}
	name := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
	line = fmt.Sprintf("\t%s\t%d..%s\t%s", name, e.Min, e.Max, strings.Join(types, " "))
	if url := e.requiredSet(); url != "" {
		t.bound[url] = true
		line += "\t" + url
	}
	return line, isBackbone, nil
}

// maxValueSet is the extension of a binding that is not required, beyond whose value set it is
// (https://hl7.org/fhir/R4/extension-elementdefinition-maxvalueset.html).
const maxValueSet = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"

// requiredSet is the value set that a code has to be of: that of a required binding, or the
// maximum one of a code where its syntax says what is in it, as with languages.
func (e *elementDefinition) requiredSet() string {
	url := ""
	if e.Binding.Strength == "required" {
		url = e.Binding.ValueSet
	} else if len(e.Type) == 1 && e.Type[0].Code == "code" {
		for _, x := range e.Binding.Extension {
			if x.URL == maxValueSet && syntaxes[x.ValueCanonical] != "" {
				url = x.ValueCanonical
			}
		}
	}
	url, _, _ = strings.Cut(url, "|")
	return url
}

// typeName returns a type as the table names it: with the targets of a Reference, and
// SimpleQuantity for the profile of Quantity that the specification itself uses.
func (t *table) typeName(s *structureDefinition, e *elementDefinition, ref typeRef) (string, error) {
	name := ref.Code
	switch {
	case e.Path == s.Type+".id" && s.Kind == "resource":
		return "id", nil // the package says string; https://hl7.org/fhir/R4/resource.html#id
	case name == "BackboneElement", name == "Element":
		return e.Path, nil
	case strings.HasPrefix(name, "http://hl7.org/fhirpath/System."):
		i := slices.IndexFunc(ref.Extension, func(x extension) bool { return x.URL == canonical+"structuredefinition-fhir-type" })
		if i < 0 {
			return "", fmt.Errorf("%s without the type in FHIR", name)
		}
		name = ref.Extension[i].ValueURL
	}
	if !t.known[name] {
		return "", fmt.Errorf("unknown type %s", name)
	}
	if slices.Contains(ref.Profile, canonical+"SimpleQuantity") {
		return "SimpleQuantity", nil
	}
	var targets []string
	for _, url := range ref.TargetProfile {
		target, ok := strings.CutPrefix(url, canonical)
		if !ok || !t.known[target] {
			return "", fmt.Errorf("unknown target %s", url)
		}
		if target == "Resource" {
			return name, nil // any
		}
		targets = append(targets, target)
	}
	if len(targets) > 0 {
		name += "(" + strings.Join(targets, "|") + ")"
	}
	return name, nil
}

// constrain adds the constraints of an element to the object. Those of the element's type
// are with that type; those of every element and resource are nowhere.
func (o *object) constrain(s *structureDefinition, e *elementDefinition, element string) {
	for _, c := range e.Constraint {
		if c.Key == "ele-1" || strings.HasPrefix(c.Key, "dom-") {
			continue
		}
		if c.Key == "ext-1" && e.Path != "Extension" {
			continue
		}
		if slices.ContainsFunc(e.Type, func(ref typeRef) bool { return c.Source == canonical+ref.Code }) {
			continue
		}
		severity := c.Severity
		if slices.ContainsFunc(c.Extension, func(x extension) bool {
			return x.URL == canonical+"elementdefinition-bestpractice" && x.ValueBoolean
		}) {
			severity += " best-practice"
		}
		fields := []string{"", "!", c.Key, severity, element, c.Human, c.Expression}
		for i := range fields {
			fields[i] = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(fields[i])
		}
		o.constraints = append(o.constraints, strings.Join(fields, "\t"))
	}
}
