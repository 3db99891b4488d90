package fhirdef

import (
	"fmt"
	"strings"
)

// define gives a type its elements, members and constraints. Types share those of their
// base.
func (d *decoder) define(b block) error {
	t := b.typ
	var members []*Member
	if b.base != "" {
		base := d.bases[b.base]
		if !d.done[base] {
			return fmt.Errorf("base %s is not before it", b.base)
		}
		t.Elements = append(t.Elements, base.Elements...)
		t.Required = base.Required
		for _, name := range base.Names() {
			members = append(members, base.Member([]byte(name)))
		}
	}
	for line := range strings.SplitSeq(b.lines, "\n") {
		if line == "" {
			continue // a type without lines of its own
		}
		fields := strings.Split(strings.TrimPrefix(line, "\t"), "\t")
		switch {
		case len(fields) == 6 && fields[0] == "!":
			severity, practice := strings.CutSuffix(fields[2], " best-practice")
			t.Constraints = append(t.Constraints, Constraint{
				Key: fields[1], Severity: severity, Element: fields[3], Human: fields[4], Expression: fields[5], Practice: practice,
			})
		case len(fields) == 3, len(fields) == 4:
			if len(t.Elements) == MaxElements {
				return fmt.Errorf("more than %d elements", MaxElements)
			}
			e := &Element{Index: len(t.Elements)}
			of, err := d.element(e, fields)
			if err != nil {
				return fmt.Errorf("%s: %w", fields[0], err)
			}
			t.Elements, members = append(t.Elements, e), append(members, of...)
			if e.Min > 0 {
				t.Required |= 1 << e.Index
			}
		default:
			return fmt.Errorf("line %q", line)
		}
	}
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	if len(names) == 0 {
		return nil
	}
	t.members = newNameTable(names, members)
	for _, m := range members {
		if t.Member([]byte(m.Name)) != m {
			return fmt.Errorf("member %s is repeated", m.Name)
		}
	}
	return nil
}

// element reads the fields of an element, and returns its members.
func (d *decoder) element(e *Element, fields []string) ([]*Member, error) {
	e.Name, e.Choice = strings.CutSuffix(fields[0], "[x]")
	minimum, maximum, _ := strings.Cut(fields[1], "..")
	if len(minimum) != 1 || minimum[0] < '0' || minimum[0] > '9' {
		return nil, fmt.Errorf("cardinality %s", fields[1])
	}
	e.Min, e.Repeats = int(minimum[0]-'0'), maximum != "1"
	if url := field(fields, 3); url != "" {
		if e.Binding = d.valueSets[url]; e.Binding == nil {
			return nil, fmt.Errorf("value set %s is unknown", url)
		}
	}
	var members []*Member
	for name := range strings.SplitSeq(fields[2], " ") {
		name, targets, restricted := strings.Cut(name, "(")
		if name == "SimpleQuantity" {
			name, e.Simple = "Quantity", true
		}
		t := d.byName[name]
		if t == nil {
			return nil, fmt.Errorf("type %s is unknown", name)
		}
		if restricted && (e.Targets == nil || name == "Reference") {
			var err error
			if e.Targets, err = d.targets(strings.TrimSuffix(targets, ")")); err != nil {
				return nil, err
			}
		}
		e.Types = append(e.Types, t)
		m := &Member{Name: e.Name, Element: e, Type: t}
		if e.Choice {
			m.Name += strings.ToUpper(name[:1]) + name[1:]
		}
		members = append(members, m)
	}
	return members, nil
}

func (d *decoder) targets(list string) (*TargetSet, error) {
	s := &TargetSet{Names: strings.Split(list, "|")}
	for _, name := range s.Names {
		t := d.byName[name]
		if t == nil || t.Kind != Resource || t.ID >= 64*len(s.bits) {
			return nil, fmt.Errorf("target %s is not a resource", name)
		}
		s.bits[t.ID>>6] |= 1 << (t.ID & 63)
	}
	return s, nil
}
