package diagnosis

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

func TestOf(t *testing.T) {
	t.Parallel()
	lines := func(s string) [][]byte { return bytes.Split([]byte(s), []byte("\n")) }
	junk := []Count{{"structure", "", 400}}
	tests := []struct {
		name    string
		counts  []Count
		samples [][]byte
		want    string
	}{
		{"nothing", nil, nil, ""},
		{"STU3", []Count{{"structure", "Condition.context", 310}, {"structure", "DiagnosticReport.context", 108}, {"value", "Patient.gender", 3}}, nil,
			"These look like STU3: 310 × Condition.context, which R4 calls encounter; 108 × DiagnosticReport.context, which R4 calls encounter."},
		{"STU3 among DSTU2", []Count{{"structure", "Encounter.reason", 10}, {"structure", "Condition.assertedDate", 1}}, nil,
			"These look like STU3: 10 × Encounter.reason, which R4 calls reasonCode; 1 × Condition.assertedDate, which R4 calls recordedDate."},
		{"R5", []Count{{"structure", "Encounter.actualPeriod", 2000}, {"structure", "Encounter.class", 1999}, {"structure", "Encounter.subjectStatus", 7}, {"structure", "Procedure.recorded", 3}}, nil,
			"These look like R5: 2,000 × Encounter.actualPeriod, which R4 calls period; 1,999 × Encounter.class, which R4 calls class, which is a single Coding; 7 × Encounter.subjectStatus, which R4 does not have; …."},
		{"DSTU2", []Count{{"structure", "Condition.patient", 5}}, nil, "These look like DSTU2: 5 × Condition.patient, which R4 calls subject."},
		{"types of another version", []Count{{"value", "", 900}}, lines(strings.Repeat("{\"resourceType\":\"MedicationOrder\",\"id\":\"1\"}\n", 40) + "{\"resourceType\":\"Patient\"}"),
			"These look like DSTU2: resources of type MedicationOrder, which R4 calls MedicationRequest."},
		{"few of many", []Count{{"structure", "Condition.context", 9}, {"value", "Patient.gender", 991}}, nil, ""},
		{"another mistake at the same element", []Count{{"value", "Encounter.class", 500}}, nil, ""},
		{"XML", junk, lines("<Patient xmlns=\"http://hl7.org/fhir\">\n  <id value=\"1\"/>\n</Patient>"), "These look like XML: Stoker reads FHIR's JSON."},
		{"CSV", junk, lines("id,name,born\n1,a,2000\n2,b,2001\n3,c,1999"), "These look like CSV, separated by commas: Stoker reads FHIR's JSON."},
		{"semicolons", junk, lines("1;a,b;2000\n2;b;2001\n3;c;1999"), "These look like CSV, separated by semicolons: Stoker reads FHIR's JSON."},
		{"printed JSON", junk, lines("  \"resourceType\": \"Patient\",\n  \"id\": \"1\",\n  \"name\": [\n    {\n      \"family\": \"x\"\n    }\n  ]\n}\n{"),
			"These look like JSON that is split over several lines: in ndjson each resource is on one line; a file may also be one document."},
		{"other JSON", junk, lines("{\"a\":1}\n{\"a\":2}\n{\"a\":3}"), "These look like JSON objects that are not FHIR resources: resourceType is missing at their beginning."},
		{"arrays", junk, lines("[{\n[1]\n[2]"), "These look like JSON arrays: in ndjson each resource is on a line of its own, without brackets and commas around it."},
		{"binary", junk, lines("\x00\x01\x02\x03abc\n\x00\x01\x02\x03abc\n\x00\x01\x02\x03abc"), "These look like binary data: gzip and zstd are recognised, archives and other formats are not."},
		{"prose", junk, lines("hello\nworld of\nwords"), ""},
		{"too few to judge", junk, lines("<a/>\n<b/>"), ""},
	}
	for _, tt := range tests {
		if got := Of(tt.counts, tt.samples); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestTableIsOfOtherVersions: no element of the table is R4's, but for its form, and what R4 is
// said to have it has.
func TestTableIsOfOtherVersions(t *testing.T) {
	t.Parallel()
	d, err := fhirdef.Load(fhirdef.R4)
	if err != nil {
		t.Fatal(err)
	}
	find := func(typ, path string) bool {
		at := d.Type(typ)
		names := strings.Split(path, ".")
		for _, name := range names {
			if at == nil {
				return false
			}
			m := at.Member([]byte(name))
			if m == nil {
				return false
			}
			at = m.Type
		}
		return true
	}
	for expression, ch := range changes() {
		typ, path, _ := strings.Cut(expression, ".")
		if d.Resource([]byte(typ)) == nil {
			t.Errorf("%s: R4 has no %s", expression, typ)
		}
		if find(typ, path) != ch.shape {
			t.Errorf("%s: R4 has it: %v", expression, !ch.shape)
		}
		r4, _, _ := strings.Cut(ch.r4, ",")
		if r4 != "" && !find(typ, r4) {
			t.Errorf("%s: R4 has no %s.%s", expression, typ, r4)
		}
		if len(ch.versions) == 0 {
			t.Errorf("%s is of no version", expression)
		}
	}
	for name, ch := range types() {
		if d.Resource([]byte(name)) != nil {
			t.Errorf("%s is a resource of R4", name)
		}
		if ch.r4 != "" && d.Resource([]byte(ch.r4)) == nil {
			t.Errorf("%s: R4 has no %s", name, ch.r4)
		}
	}
}
