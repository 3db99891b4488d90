package generate

import (
	"slices"
	"strings"
	"testing"
)

// TestDefinitions holds a dataset to the definitions of the specification.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	defs := loadDefinitions(t)
	t.Run("valid", func(t *testing.T) { testValid(t, defs) })
	t.Run("faults", func(t *testing.T) { testFaults(t, defs) })
}

// testValid checks every resource of a dataset, and of a revision of it.
func testValid(t *testing.T, defs *definitions) {
	t.Parallel()
	for _, revision := range []int{0, 3} {
		c := checker{definitions: defs}
		seen := map[string]bool{}
		err := Stream(t.Context(), Options{Patients: 12, Seed: 7, Revision: revision}, func(typ string, line []byte) error {
			seen[typ] = true
			c.resource(parse(t, line).(map[string]any), typ)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(c.problems)
		problems := slices.Compact(c.problems)
		for _, p := range problems[:min(len(problems), 50)] {
			t.Error(p)
		}
		if len(seen) != int(kinds) {
			t.Errorf("revision %d: %d types seen, want %d", revision, len(seen), kinds)
		}
		if c.codings == 0 || c.bound == 0 {
			t.Errorf("revision %d: %d codings and %d bound codes seen, want some", revision, c.codings, c.bound)
		}
	}
}

// testFaults makes sure that testValid could fail.
func testFaults(t *testing.T, defs *definitions) {
	t.Parallel()
	const head = `"resourceType":"Observation","status":"final","code":{"text":"x"}`
	for name, tc := range map[string]struct{ line, want string }{
		"fine":           {`{` + head + `}`, ""},
		"unknown name":   {`{` + head + `,"colour":"red"}`, "Observation.colour: no such element"},
		"missing":        {`{"resourceType":"Observation","status":"final"}`, "Observation.code: missing"},
		"no array":       {`{` + head + `,"category":{"text":"x"}}`, "Observation.category: want an array"},
		"array":          {`{` + head + `,"subject":[{"display":"x"}]}`, "Observation.subject: want no array"},
		"two choices":    {`{` + head + `,"valueString":"x","valueBoolean":true}`, "Observation.value[x]: more than one"},
		"wrong choice":   {`{` + head + `,"valueMoney":{"value":1}}`, "Observation.valueMoney: no such element"},
		"required code":  {`{"resourceType":"Observation","status":"done","code":{"text":"x"}}`, "Observation.status: done not in http://hl7.org/fhir/ValueSet/observation-status"},
		"date":           {`{` + head + `,"effectiveDateTime":"2020-13-01"}`, "Observation.effectiveDateTime: not a dateTime"},
		"instant":        {`{` + head + `,"issued":"2020-12-01"}`, "Observation.issued: not a instant"},
		"string number":  {`{` + head + `,"valueQuantity":{"value":"1"}}`, "Observation.valueQuantity.value: not a decimal"},
		"number string":  {`{` + head + `,"valueString":1}`, "Observation.valueString: not a string"},
		"target":         {`{` + head + `,"encounter":{"reference":"Patient/x"}}`, "Observation.encounter.reference: Patient is no target"},
		"unknown code":   {`{` + head + `,"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"x"}]}]}`, "Observation.category.coding: x is not in http://terminology.hl7.org/CodeSystem/observation-category"},
		"period":         {`{` + head + `,"effectivePeriod":{"start":"2020-01-02","end":"2020-01-01"}}`, "Observation.effectivePeriod: ends before it starts"},
		"narrative":      {`{` + head + `,"text":{"status":"generated","div":"<div>x</div>"}}`, "Observation.text.div: not XHTML"},
		"empty array":    {`{` + head + `,"category":[]}`, "Observation.category: empty"},
		"empty object":   {`{` + head + `,"subject":{}}`, "Observation.subject: empty"},
		"nested missing": {`{` + head + `,"component":[{"valueString":"x"}]}`, "Observation.component.code: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := checker{definitions: defs}
			c.resource(parse(t, []byte(tc.line)).(map[string]any), "Observation")
			if got := strings.Join(c.problems, "; "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
