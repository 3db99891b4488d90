package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// canonical is where the specification's own definitions are.
const canonical = "http://hl7.org/fhir/StructureDefinition/"

// The parts of the specification's resources that are read.
type (
	structureDefinition struct {
		URL        string `json:"url"`
		Kind       string `json:"kind"`
		Abstract   bool   `json:"abstract"`
		Type       string `json:"type"`
		Base       string `json:"baseDefinition"`
		Derivation string `json:"derivation"`
		Snapshot   struct {
			Element []elementDefinition `json:"element"`
		} `json:"snapshot"`
	}
	elementDefinition struct {
		Path             string       `json:"path"`
		Min              int          `json:"min"`
		Max              string       `json:"max"`
		ContentReference string       `json:"contentReference"`
		Type             []typeRef    `json:"type"`
		Constraint       []constraint `json:"constraint"`
		Binding          struct {
			Strength  string      `json:"strength"`
			ValueSet  string      `json:"valueSet"`
			Extension []extension `json:"extension"`
		} `json:"binding"`
	}
	typeRef struct {
		Code          string      `json:"code"`
		Profile       []string    `json:"profile"`
		TargetProfile []string    `json:"targetProfile"`
		Extension     []extension `json:"extension"`
	}
	extension struct {
		URL            string `json:"url"`
		ValueCanonical string `json:"valueCanonical"`
		ValueURL       string `json:"valueUrl"`
		ValueBoolean   bool   `json:"valueBoolean"`
	}
	constraint struct {
		Key        string      `json:"key"`
		Severity   string      `json:"severity"`
		Human      string      `json:"human"`
		Expression string      `json:"expression"`
		Source     string      `json:"source"`
		Extension  []extension `json:"extension"`
	}
	valueSet struct {
		URL       string    `json:"url"`
		Name      string    `json:"name"`
		Compose   compose   `json:"compose"`
		Expansion expansion `json:"expansion"`
	}
	compose struct {
		Include []include `json:"include"`
		Exclude []include `json:"exclude"`
	}
	include struct {
		System   string            `json:"system"`
		ValueSet []string          `json:"valueSet"`
		Concept  []concept         `json:"concept"`
		Filter   []json.RawMessage `json:"filter"`
	}
	expansion struct {
		Contains  []contains  `json:"contains"`
		Extension []extension `json:"extension"`
	}
	contains struct {
		System   string     `json:"system"`
		Code     string     `json:"code"`
		Abstract bool       `json:"abstract"`
		Contains []contains `json:"contains"`
	}
	codeSystem struct {
		URL     string    `json:"url"`
		Content string    `json:"content"`
		Concept []concept `json:"concept"`
	}
	concept struct {
		Code     string     `json:"code"`
		Concept  []concept  `json:"concept"`
		Property []property `json:"property"`
	}
	property struct {
		Code         string `json:"code"`
		ValueBoolean bool   `json:"valueBoolean"`
	}
)

// definitions are the resources of the packages that the table is made of.
type definitions struct {
	types       []structureDefinition
	valueSets   map[string]valueSet
	expansions  map[string]valueSet
	codeSystems map[string]codeSystem
}

func newDefinitions() *definitions {
	return &definitions{
		valueSets:   map[string]valueSet{},
		expansions:  map[string]valueSet{},
		codeSystems: map[string]codeSystem{},
	}
}

// add takes a resource in, if it is of a type that the table is made of. Profiles and
// logical models are left out: they are not types of the specification.
func (d *definitions) add(resource []byte) error {
	var head struct {
		ResourceType string `json:"resourceType"`
	}
	if err := json.Unmarshal(resource, &head); err != nil {
		return err
	}
	switch head.ResourceType {
	case "StructureDefinition":
		var s structureDefinition
		if err := json.Unmarshal(resource, &s); err != nil {
			return err
		}
		if s.Kind != "logical" && s.Derivation != "constraint" {
			d.types = append(d.types, s)
		}
	case "ValueSet":
		var v valueSet
		if err := json.Unmarshal(resource, &v); err != nil {
			return err
		}
		if v.Expansion.Contains != nil || v.Expansion.Extension != nil {
			d.expansions[v.URL] = v
		} else {
			d.valueSets[v.URL] = v
		}
	case "CodeSystem":
		var c codeSystem
		if err := json.Unmarshal(resource, &c); err != nil {
			return err
		}
		d.codeSystems[c.URL] = c
	}
	return nil
}

// sorted returns the definitions of types: those that others build on, then primitive
// types, data types and resources, each sorted by name.
func (d *definitions) sorted() ([]structureDefinition, error) {
	order := func(s structureDefinition) int {
		if i := slices.Index(bases, s.Type); i >= 0 {
			return i
		}
		return len(bases) + slices.Index([]string{"primitive-type", "complex-type", "resource"}, s.Kind)
	}
	types := slices.Clone(d.types)
	slices.SortFunc(types, func(a, b structureDefinition) int {
		if n := order(a) - order(b); n != 0 {
			return n
		}
		return strings.Compare(a.Type, b.Type)
	})
	for i := range types {
		switch {
		case len(types[i].Snapshot.Element) == 0:
			return nil, fmt.Errorf("%s: no snapshot", types[i].Type)
		case i > 0 && types[i-1].Type == types[i].Type:
			return nil, fmt.Errorf("%s: two definitions", types[i].Type)
		}
	}
	return types, nil
}
