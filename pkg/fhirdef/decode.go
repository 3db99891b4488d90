package fhirdef

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// decode makes definitions of a table. A table is text of lines, with tabs between fields:
//
//	# comment; those before the first empty line are the header
//	fhir VERSION PACKAGE
//	primitive NAME
//	object NAME BASE       an object that begins with the elements of its base
//	resource NAME BASE     a type of resource
//	any NAME               any type of resource
//	abstract NAME BASE     only a base
//	valueset URL NAME SYNTAX
//
// BASE and SYNTAX may be left out. A base is before the types that begin with it. Below an
// object are its elements and constraints, each line after a tab:
//
//	NAME MIN..MAX TYPES VALUESET    types with spaces between, maybe as Reference(Patient|Group)
//	! KEY SEVERITY ELEMENT HUMAN EXPRESSION
//
// Below a value set are systems after a tab, and the codes of each after two.
func decode(table string) (*Definitions, error) {
	_, body, ok := strings.Cut(table, "\n\n")
	if !ok {
		return nil, errors.New("table of definitions: no header")
	}
	sum := sha256.Sum256([]byte(body))
	d := decoder{
		Definitions: &Definitions{
			Checksum:  hex.EncodeToString(sum[:]),
			byName:    map[string]*Type{},
			valueSets: map[string]*ValueSet{},
		},
		bases: map[string]*Type{},
		done:  map[*Type]bool{},
	}
	if err := d.decode(body); err != nil {
		return nil, fmt.Errorf("table of definitions: %w", err)
	}
	return d.Definitions, nil
}

type decoder struct {
	*Definitions
	bases  map[string]*Type // also those that are abstract
	blocks []block
	done   map[*Type]bool // those that have their elements
}

// block is what a table says of a type.
type block struct {
	typ   *Type
	base  string
	lines string
}

// kinds are those of the keywords of blocks, and of primitive types by name.
var kinds = map[string]Kind{
	"any": AnyResource, "object": Object, "resource": Resource, "abstract": Object,

	"base64Binary": Base64Binary, "boolean": Boolean, "canonical": Canonical, "code": Code, "date": Date, "dateTime": DateTime,
	"decimal": Decimal, "id": ID, "instant": Instant, "integer": Integer, "markdown": Markdown, "oid": OID,
	"positiveInt": PositiveInt, "string": String, "time": Time, "unsignedInt": UnsignedInt, "uri": URI, "url": URL,
	"uuid": UUID, "xhtml": XHTML,
}

func (d *decoder) decode(body string) error {
	for text := range strings.SplitSeq(strings.Trim(body, "\n"), "\n\n") {
		head, lines, _ := strings.Cut(text, "\n")
		fields := strings.Split(head, "\t")
		if len(fields) < 2 {
			return fmt.Errorf("line %q", head)
		}
		var err error
		switch fields[0] {
		case "fhir":
			d.Version, d.Source = fields[1], field(fields, 2)
		case "valueset":
			err = d.valueSet(fields, lines)
		default:
			err = d.declare(fields, lines)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", fields[1], err)
		}
	}
	d.number()
	for _, b := range d.blocks {
		if err := d.define(b); err != nil {
			return fmt.Errorf("%s: %w", b.typ.Name, err)
		}
		d.done[b.typ] = true
	}
	if d.Version == "" || len(d.Types) == 0 {
		return errors.New("no version or no types")
	}
	return nil
}

// declare makes a type that others can refer to before its elements are known.
func (d *decoder) declare(fields []string, lines string) error {
	keyword, name := fields[0], fields[1]
	if keyword == "primitive" {
		keyword = name
	}
	kind, ok := kinds[keyword]
	if !ok || d.bases[name] != nil || name == "" {
		return fmt.Errorf("%s is unknown, or the type repeated or without name", fields[0])
	}
	t := &Type{Name: name, Kind: kind}
	d.bases[name] = t
	if keyword != "abstract" {
		d.byName[name] = t
	}
	d.blocks = append(d.blocks, block{t, field(fields, 2), lines})
	return nil
}

// number gives the types their IDs: first the resources, by name.
func (d *decoder) number() {
	for _, b := range d.blocks {
		if b.typ.Kind == Resource {
			d.Types = append(d.Types, b.typ)
		}
	}
	slices.SortFunc(d.Types, func(a, b *Type) int { return strings.Compare(a.Name, b.Name) })
	names := make([]string, len(d.Types))
	for i, t := range d.Types {
		names[i] = t.Name
	}
	d.resources = newNameTable(names, d.Types)
	for _, b := range d.blocks {
		if b.typ.Kind != Resource && d.byName[b.typ.Name] != nil {
			d.Types = append(d.Types, b.typ)
		}
	}
	for i, t := range d.Types {
		t.ID = i
	}
}

func (d *decoder) valueSet(fields []string, lines string) error {
	syntax := slices.Index([]string{"", "unknown", "mime-type", "language", "currency", "ucum"}, field(fields, 3))
	if syntax < 0 {
		return fmt.Errorf("syntax %s", fields[3])
	}
	v := &ValueSet{URL: fields[1], Name: field(fields, 2), Syntax: Syntax(syntax)}
	var system string
	var names []string
	var of []*codeSystems
	index := map[string]*codeSystems{}
	for line := range strings.SplitSeq(lines, "\n") {
		line, isCode := strings.CutPrefix(line, "\t\t")
		if !isCode {
			system = strings.TrimPrefix(line, "\t")
			continue
		}
		code := line
		v.Codes = append(v.Codes, Coding{system, code})
		if index[code] == nil {
			index[code] = new(codeSystems)
			names, of = append(names, code), append(of, index[code])
		}
		*index[code] = append(*index[code], system)
	}
	v.codes = newNameTable(names, of)
	d.valueSets[v.URL] = v
	return nil
}

func field(fields []string, i int) string {
	if i < len(fields) {
		return fields[i]
	}
	return ""
}
