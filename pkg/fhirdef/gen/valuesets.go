package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// syntaxes are the value sets whose codes are an open or a long list of another standard, so
// that the syntax of a code is checked instead.
var syntaxes = map[string]string{
	"http://hl7.org/fhir/ValueSet/all-languages": "language",
	"http://hl7.org/fhir/ValueSet/currencies":    "currency",
	"http://hl7.org/fhir/ValueSet/languages":     "language",
	"http://hl7.org/fhir/ValueSet/mimetypes":     "mime-type",
	"http://hl7.org/fhir/ValueSet/ucum-units":    "ucum",
}

type coding struct{ system, code string }

func (d *definitions) writeValueSets(out *bytes.Buffer, urls map[string]bool) {
	for _, url := range slices.Sorted(maps.Keys(urls)) {
		name := d.expansions[url].Name
		if name == "" {
			name = d.valueSets[url].Name
		}
		if syntax := syntaxes[url]; syntax != "" {
			fmt.Fprintf(out, "\nvalueset\t%s\t%s\t%s\n", url, name, syntax)
			continue
		}
		codes, ok := d.codes(url)
		if !ok {
			fmt.Fprintf(out, "\nvalueset\t%s\t%s\tunknown\n", url, name)
			continue
		}
		fmt.Fprintf(out, "\nvalueset\t%s\t%s\n", url, name)
		for i, c := range codes {
			if i == 0 || codes[i-1].system != c.system {
				fmt.Fprintf(out, "\t%s\n", c.system)
			}
			fmt.Fprintf(out, "\t\t%s\n", c.code)
		}
	}
}

// codes returns the codes of a value set by its expansion, or computed if there is none. It
// fails if not all of them are known.
func (d *definitions) codes(url string) ([]coding, bool) {
	v, ok := d.expansions[url]
	if !ok {
		return d.compute(url, 0)
	}
	for _, x := range v.Expansion.Extension {
		if (x.URL == canonical+"valueset-unclosed" || x.URL == canonical+"valueset-toocostly") && x.ValueBoolean {
			return nil, false
		}
	}
	codes := appendContains(nil, v.Expansion.Contains)
	return codes, len(codes) > 0
}

func appendContains(codes []coding, list []contains) []coding {
	for _, c := range list {
		if c.Code != "" && !c.Abstract {
			codes = append(codes, coding{c.System, c.Code})
		}
		codes = appendContains(codes, c.Contains)
	}
	return codes
}

// compute returns the codes of a value set by its definition, if that lists them, or names
// code systems as a whole that are in the packages.
func (d *definitions) compute(url string, depth int) ([]coding, bool) {
	v, ok := d.valueSets[url]
	if !ok || depth > 8 {
		return nil, false
	}
	var codes []coding
	for _, part := range v.Compose.Include {
		more, ok := d.include(part, depth)
		if !ok {
			return nil, false
		}
		for _, c := range more {
			if !slices.Contains(codes, c) {
				codes = append(codes, c)
			}
		}
	}
	for _, part := range v.Compose.Exclude {
		less, ok := d.include(part, depth)
		if !ok {
			return nil, false
		}
		codes = slices.DeleteFunc(codes, func(c coding) bool { return slices.Contains(less, c) })
	}
	return codes, len(codes) > 0
}

func (d *definitions) include(part include, depth int) (codes []coding, ok bool) {
	switch {
	case len(part.Filter) > 0 || len(part.ValueSet) > 1 || len(part.ValueSet) == 1 && part.System != "":
		return nil, false
	case len(part.ValueSet) == 1:
		return d.compute(part.ValueSet[0], depth+1)
	case len(part.Concept) > 0:
		return appendConcepts(nil, part.System, part.Concept), true
	}
	system, ok := d.codeSystems[part.System]
	return appendConcepts(nil, part.System, system.Concept), ok && system.Content == "complete"
}

func appendConcepts(codes []coding, system string, list []concept) []coding {
	for _, c := range list {
		if !slices.Contains(c.Property, property{"notSelectable", true}) {
			codes = append(codes, coding{system, c.Code})
		}
		codes = appendConcepts(codes, system, c.Concept)
	}
	return codes
}
