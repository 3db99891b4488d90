package fhirdef

import (
	"slices"
	"strings"
	"testing"
)

func load(t testing.TB) *Definitions {
	t.Helper()
	d, err := Load(R4)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLoad(t *testing.T) {
	t.Parallel()
	d := load(t)
	if d.Version != R4 || d.Source != "hl7.fhir.r4.core#4.0.1" || len(d.Checksum) != 64 {
		t.Errorf("version %q, source %q, checksum %q", d.Version, d.Source, d.Checksum)
	}
	if again := load(t); again != d {
		t.Error("decoded twice")
	}
	if _, err := Load("3.0.2"); err == nil {
		t.Error("definitions of an unknown version")
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	d := load(t)
	got := map[Kind]int{}
	for id, typ := range d.Types {
		if typ.ID != id || d.Type(typ.Name) != typ {
			t.Errorf("%s is not at its ID %d or not found by name", typ.Name, typ.ID)
		}
		if (typ.Kind == Resource) != (id < 146) || (typ.Kind == Resource) != (d.Resource([]byte(typ.Name)) == typ) {
			t.Errorf("%s of kind %d has the ID %d", typ.Name, typ.Kind, id)
		}
		if len(typ.Elements) > MaxElements || typ.Kind.IsPrimitive() != (len(typ.Elements) == 0) {
			t.Errorf("%s has %d elements", typ.Name, len(typ.Elements))
		}
		for i, e := range typ.Elements {
			if e.Index != i || (typ.Required>>i&1 == 1) != (e.Min > 0) {
				t.Errorf("%s.%s: index %d, min %d, required %x", typ.Name, e.Name, e.Index, e.Min, typ.Required)
			}
		}
		if typ.Kind == Object && strings.Contains(typ.Name, ".") {
			got[255]++
		} else {
			got[min(typ.Kind, Base64Binary)]++
		}
	}
	// Of the 41 complex types of the package, BackboneElement is only a base.
	want := map[Kind]int{Resource: 146, AnyResource: 1, Object: 40, Base64Binary: 20, 255: 473}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%d types of kind %d, want %d", got[kind], kind, n)
		}
	}
	for _, name := range []string{"DomainResource", "BackboneElement", "SimpleQuantity", ""} {
		if d.Type(name) != nil {
			t.Errorf("%q is a type", name)
		}
	}
	if d.Resource([]byte("Resource")) != nil || d.Resource([]byte("HumanName")) != nil || d.Resource(nil) != nil {
		t.Error("found a resource that is none")
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	d := load(t)
	tests := []struct {
		typ, member, element, memberType string // element "" is one not found
		kind                             Kind
		choice, repeats                  bool
		least                            int
	}{
		{"Patient", "id", "id", "id", ID, false, false, 0},
		{"Patient.contact", "id", "id", "string", String, false, false, 0},
		{"Extension", "id", "id", "string", String, false, false, 0},
		{"Extension", "url", "url", "uri", URI, false, false, 1},
		{"Extension", "valueReference", "value", "Reference", Object, true, false, 0},
		{"Patient", "deceasedBoolean", "deceased", "boolean", Boolean, true, false, 0},
		{"Patient", "contact", "contact", "Patient.contact", Object, false, true, 0},
		{"Patient", "contained", "contained", "Resource", AnyResource, false, true, 0},
		{"Narrative", "div", "div", "xhtml", XHTML, false, false, 1},
		{"Bundle.entry", "link", "link", "Bundle.link", Object, false, true, 0},
		{"Bundle.entry", "resource", "resource", "Resource", AnyResource, false, false, 0},
		{"Bundle.entry.response", "outcome", "outcome", "Resource", AnyResource, false, false, 0},
		{"Parameters.parameter", "resource", "resource", "Resource", AnyResource, false, false, 0},
		{"Parameters.parameter", "part", "part", "Parameters.parameter", Object, false, true, 0},
		{"Observation", "referenceRange", "referenceRange", "Observation.referenceRange", Object, false, true, 0},
		{"Observation.component", "referenceRange", "referenceRange", "Observation.referenceRange", Object, false, true, 0},
		{"Timing", "repeat", "repeat", "Timing.repeat", Object, false, false, 0},
		{"Patient", "deceased", "", "", 0, false, false, 0},
		{"Patient", "deceased[x]", "", "", 0, false, false, 0},
		{"Patient", "_id", "", "", 0, false, false, 0},
		{"Patient", "resourceType", "", "", 0, false, false, 0},
		{"Patient", "", "", "", 0, false, false, 0},
		{"Bundle", "text", "", "", 0, false, false, 0},
		{"dateTime", "value", "", "", 0, false, false, 0},
	}
	for _, tt := range tests {
		m := d.Type(tt.typ).Member([]byte(tt.member))
		if (m != nil) != (tt.element != "") {
			t.Errorf("%s.%s: found %v", tt.typ, tt.member, m != nil)
		}
		if m == nil {
			continue
		}
		if e := m.Element; m.Name != tt.member || m.Type != d.Type(tt.memberType) || m.Type.Kind != tt.kind ||
			e.Name != tt.element || e.Choice != tt.choice || e.Repeats != tt.repeats || e.Min != tt.least {
			t.Errorf("%s.%s is %s of %+v", tt.typ, tt.member, m.Type.Name, *e)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	want := []string{"id", "extension", "modifierExtension", "relationship", "name", "telecom", "address", "gender", "organization", "period"}
	if got := load(t).Type("Patient.contact").Names(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	d := load(t)
	tests := []struct{ typ, member, target, want string }{ // want "" is any
		{"Patient", "generalPractitioner", "Practitioner", "yes"},
		{"Patient", "generalPractitioner", "Patient", "no"},
		{"Annotation", "authorReference", "VisionPrescription", "no"},
		{"Annotation", "authorReference", "RelatedPerson", "yes"},
		{"PlanDefinition.action", "definitionCanonical", "Questionnaire", "yes"},
		{"PlanDefinition.action", "definitionCanonical", "Library", "no"},
		{"Observation", "focus", "", ""},
		{"Extension", "valueReference", "", ""},
	}
	for _, tt := range tests {
		targets := d.Type(tt.typ).Member([]byte(tt.member)).Element.Targets
		got := ""
		if targets != nil {
			got = map[bool]string{true: "yes", false: "no"}[targets.Has(d.Type(tt.target))]
		}
		if got != tt.want {
			t.Errorf("%s.%s to %s: %q, want %q", tt.typ, tt.member, tt.target, got, tt.want)
		}
	}
	organization := d.Type("Patient").Member([]byte("managingOrganization")).Element.Targets
	for _, typ := range d.Types {
		if got, want := organization.Has(typ), typ.Name == "Organization"; got != want {
			t.Errorf("managingOrganization to %s: %v, want %v", typ.Name, got, want)
		}
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	d := load(t)
	of := func(typ, member string) *ValueSet { return d.Type(typ).Member([]byte(member)).Element.Binding }
	tests := []struct {
		set          *ValueSet
		system, code string
		want         bool
	}{
		{of("Patient", "gender"), "http://hl7.org/fhir/administrative-gender", "female", true},
		{of("Patient", "gender"), "http://hl7.org/fhir/administrative-gender", "f", false},
		{of("Patient", "gender"), "", "female", false},
		{of("Patient", "gender"), "", "", false},
		{of("Observation", "status"), "http://hl7.org/fhir/observation-status", "entered-in-error", true},
		{of("Questionnaire.item", "type"), "http://hl7.org/fhir/item-type", "question", false}, // abstract
		{of("Questionnaire.item", "type"), "http://hl7.org/fhir/item-type", "choice", true},    // below it
		{of("DataRequirement", "type"), "http://hl7.org/fhir/resource-types", "Patient", true},
		{of("DataRequirement", "type"), "http://hl7.org/fhir/abstract-types", "Any", true},
	}
	for _, tt := range tests {
		if got := tt.set.Has([]byte(tt.system), []byte(tt.code)); got != tt.want {
			t.Errorf("%s has %s|%s: %v", tt.set.URL, tt.system, tt.code, got)
		}
		if got := tt.set.HasCode([]byte(tt.code)); tt.want && !got {
			t.Errorf("%s has not the code %s", tt.set.URL, tt.code)
		}
	}
	syntaxes := map[*ValueSet]Syntax{
		of("Attachment", "contentType"):                          MIMEType,
		of("Money", "currency"):                                  Currency,
		of("MolecularSequence.structureVariant", "variantType"):  Unknown, // LOINC is not in the package
		d.ValueSet("http://hl7.org/fhir/ValueSet/ucum-units"):    UCUM,
		d.ValueSet("http://hl7.org/fhir/ValueSet/address-use"):   Enumerated,
		d.ValueSet("http://hl7.org/fhir/ValueSet/defined-types"): Enumerated,
	}
	for set, want := range syntaxes {
		if set.Syntax != want || (want == Enumerated) != (len(set.Codes) > 0) {
			t.Errorf("%s: syntax %d with %d codes, want syntax %d", set.URL, set.Syntax, len(set.Codes), want)
		}
	}
	if of("Observation", "code") != nil || of("Patient", "maritalStatus") != nil {
		t.Error("a binding that is not required")
	}
	if d.ValueSet("http://hl7.org/fhir/ValueSet/observation-codes") != nil {
		t.Error("a value set of no required binding")
	}
	if !of("Quantity", "comparator").HasCode([]byte("<=")) {
		t.Error("no comparator <=")
	}
}

func TestConstraints(t *testing.T) {
	t.Parallel()
	d := load(t)
	want := map[string]string{ // keys, with the element of those that are on one
		"Age":                    "age-1 qty-3",
		"Extension":              "ext-1",
		"Patient":                "",
		"Patient.contact":        "pat-1",
		"Organization":           "org-1 org-3:telecom org-2:address",
		"Narrative":              "txt-1:div txt-2:div",
		"TestScript.test.action": "tst-2 tst-8:operation tst-6:assert tst-11:assert tst-13:assert",
		"Element":                "",
		"Resource":               "",
		"Observation":            "obs-6 obs-7",
	}
	for name, keys := range want {
		var got []string
		for _, c := range d.Type(name).Constraints {
			key := c.Key
			if c.Element != "" {
				key += ":" + c.Element
				if !slices.ContainsFunc(d.Type(name).Elements, func(e *Element) bool { return e.Name == c.Element }) {
					t.Errorf("%s: constraint %s is on an unknown element", name, key)
				}
			}
			if c.Human == "" || c.Expression == "" || c.Severity != "error" && c.Severity != "warning" {
				t.Errorf("%s: incomplete constraint %+v", name, c)
			}
			got = append(got, key)
		}
		if got := strings.Join(got, " "); got != keys {
			t.Errorf("%s: got %s, want %s", name, got, keys)
		}
	}
	i := slices.IndexFunc(d.Type("Condition").Constraints, func(c Constraint) bool { return c.Key == "con-3" })
	if c := d.Type("Condition").Constraints[i]; c.Severity != "warning" || !c.Practice {
		t.Errorf("con-3 is %+v, want a best practice", c)
	}
}

// TestFindAllocatesNothing is alone: allocations of other tests would be counted.
func TestFindAllocatesNothing(t *testing.T) {
	d := load(t)
	patient, name, system, code := d.Type("Patient"), []byte("birthDate"), []byte("http://hl7.org/fhir/administrative-gender"), []byte("male")
	set := patient.Member([]byte("gender")).Element.Binding
	if n := testing.AllocsPerRun(100, func() {
		if d.Resource([]byte("Patient")) == nil || patient.Member(name) == nil || !set.HasCode(code) || !set.Has(system, code) {
			t.Error("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
