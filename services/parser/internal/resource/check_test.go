package resource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

func newReader(t testing.TB) *Reader {
	t.Helper()
	d, err := fhirdef.Load(fhirdef.R4)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// issueTest is a document and what is wrong with it.
type issueTest struct {
	name, doc string
	want      []string // code, expression, a part of the message
}

func issueTests() []issueTest {
	patient := func(members string) string { return `{"resourceType":"Patient","id":"p",` + members + `}` }
	observation := func(members string) string {
		return `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"c"},` + members + `}`
	}
	extension := func(value string) string { return patient(`"extension":[{"url":"http://example.org",` + value + `}]`) }
	return []issueTest{
		{"nothing wrong", patient(`"gender":"male","birthDate":"1970-02-28","name":[{"family":"A","given":["B","C"]}]`), nil},
		{"any order", `{"name":[{"family":"A"}],"id":"p","resourceType":"Patient"}`, nil},
		{"unknown element", patient(`"animal":{}`), []string{`structure Patient.animal unknown element "animal" in Patient`}},
		{"misspelt", patient(`"gendre":"male"`), []string{`structure Patient.gendre did you mean "gender"?`}},
		{"misspelt and required", `{"resourceType":"Observation","id":"o","statsu":"final","code":{"text":"c"}}`,
			[]string{`structure Observation.statsu did you mean "status"?`}},
		{"two names equally near", `{"resourceType":"PlanDefinition","status":"draft","action":[{"condition":[{"kid":"start"}]}]}`,
			[]string{`structure PlanDefinition.action[0].condition[0].kid did you mean "kind"?`}},
		{"unknown, might be content", patient(`"Jane Doe, 1970":1`), []string{`structure Patient unknown element`}},
		{"unknown deeper", patient(`"name":[{"family":"A"},{"fmaily":"B"}]`), []string{`structure Patient.name[1].fmaily did you mean "family"`}},
		{"nothing below what is unknown", patient(`"foo":{"bar":[{"reference":1}]}`), []string{`structure Patient.foo unknown`}},
		{"companion of an object", patient(`"_name":[{"id":"1"}]`), []string{`structure Patient._name only primitive`}},
		{"resourceType where only elements may be", patient(`"contact":[{"resourceType":"Patient","gender":"male","name":{"text":"a"}}]`),
			[]string{`structure Patient.contact[0].resourceType unknown element`}},

		{"required", `{"resourceType":"Observation","id":"o","code":{"text":"c"}}`, []string{`required Observation.status is required`}},
		{"required choice", `{"resourceType":"MedicationRequest","id":"m","status":"active","intent":"order","subject":{"reference":"Patient/1"}}`,
			[]string{`required MedicationRequest.medication medicationCodeableConcept | medicationReference`}},
		{"required deeper", observation(`"component":[{"valueString":"x"}]`), []string{`required Observation.component[0].code is required`}},
		{"array for one", patient(`"gender":["male"]`), []string{`structure Patient.gender must not be an array`}},
		{"one for an array", patient(`"name":{"family":"A"}`), []string{`structure Patient.name must be an array`}},
		{"string for an object", patient(`"maritalStatus":"M"`), []string{`structure Patient.maritalStatus must be an object`}},
		{"object for a string", patient(`"gender":{}`), []string{`structure Patient.gender must be a string`}},
		{"string for a boolean", patient(`"active":"true"`), []string{`structure Patient.active must be true or false`}},
		{"string for a number", observation(`"valueQuantity":{"value":"1"}`), []string{`structure Observation.value.ofType(Quantity).value must be a number`}},
		{"number for a string", patient(`"birthDate":1970`), []string{`structure Patient.birthDate must be a string`}},
		{"null", patient(`"gender":null`), []string{`structure Patient.gender must not be null`}},
		{"null for an object", patient(`"maritalStatus":null`), []string{`structure Patient.maritalStatus must not be null`}},
		{"empty array", patient(`"name":[]`), []string{`structure Patient.name must not be empty`}},
		{"empty object", patient(`"maritalStatus":{}`), []string{`structure Patient.maritalStatus must not be empty`}},
		{"only an id", patient(`"maritalStatus":{"id":"a"}`), []string{`structure Patient.maritalStatus must have more than an id (ele-1)`}},
		{"empty object in an array", patient(`"name":[{"text":"a"},{}]`), []string{`structure Patient.name[1] must not be empty`}},
		{"empty object of a type with rules", patient(`"contact":[{}]`), []string{`structure Patient.contact[0] must not be empty`}},
		{"null in an array of objects", patient(`"name":[null]`), []string{`structure Patient.name[0] must not be null`}},
		{"string that should not be", patient(`"name":[{"family":" ","text":"a\u0013"}]`), []string{`value Patient.name[0].family `, `value Patient.name[0].text `}},
		{"empty string", patient(`"gender":""`), []string{`value Patient.gender `}},

		{"two of a choice", observation(`"valueString":"a","valueBoolean":true`), []string{`structure Observation.value valueString and valueBoolean exclude each other`}},
		{"type not of the choice", observation(`"valueAddress":{"text":"a"}`), []string{`structure Observation.valueAddress unknown element`}},
		{"choice without type", observation(`"value":"a"`), []string{`structure Observation.value the name must end in the type: valueQuantity | `}},
		{"companion of another choice", observation(`"valueString":"a","_valueBoolean":{"id":"x"}`), []string{`structure Observation.value exclude each other`}},

		{"companion", patient(`"birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"http://example.org/t","valueString":"x"}]}`), nil},
		{"companion alone", patient(`"_birthDate":{"extension":[{"url":"http://example.org/t","valueString":"x"}]}`), nil},
		{"companion with only an id", patient(`"_birthDate":{"id":"x"}`), []string{`structure Patient.birthDate must have a value or an extension`}},
		{"companion in place of a required code", patient(`"_gender":{"extension":[{"url":"http://example.org/t","valueCode":"x"}]}`), []string{`code-invalid Patient.gender a code is required: must be one of male`}},
		{"value and a companion with only an id", patient(`"birthDate":"1970","_birthDate":{"id":"x"}`), nil},
		{"companion is no object", patient(`"_birthDate":"x"`), []string{`structure Patient.birthDate _birthDate must hold an object`}},
		{"empty companion", patient(`"birthDate":"1970","_birthDate":{}`), []string{`structure Patient.birthDate must not be empty`}},
		{"unknown in a companion", patient(`"birthDate":"1970","_birthDate":{"value":"x"}`), []string{`structure Patient.birthDate.value unknown element`}},
		{"companions in arrays", patient(`"name":[{"given":["A",null],"_given":[null,{"extension":[{"url":"http://example.org","valueCode":"x"}]}]}]`), nil},
		{"null without companion", patient(`"name":[{"given":["A",null]}]`), []string{`structure Patient.name[0].given[1] must not be null without`}},
		{"null in both", patient(`"name":[{"given":["A",null],"_given":[{"id":"x"},null]}]`), []string{`structure Patient.name[0].given[1] must not be null`}},
		{"arrays of different length", patient(`"name":[{"given":["A","B"],"_given":[{"id":"x"}]}]`), []string{`structure Patient.name[0].given as many items`}},

		{"extension without value", extension(`"id":"x"`), []string{`invariant Patient.extension[0] (ext-1)`}},
		{"extension with both", extension(`"valueString":"x","extension":[{"url":"http://example.org","valueString":"x"}]`), []string{`invariant Patient.extension[0] (ext-1)`}},
		{"extension without url", patient(`"extension":[{"valueString":"x"}]`), []string{`required Patient.extension[0].url is required`}},
		{"extension with an unknown type", extension(`"valueFoo":"x"`), []string{`structure Patient.extension[0].valueFoo unknown`}},
		{"path in an extension", extension(`"valueCoding":{"code":" "}`), []string{`value Patient.extension[0].value.ofType(Coding).code `}},
		{"modifierExtension where it may not be", patient(`"name":[{"family":"A","modifierExtension":[{"url":"http://example.org","valueString":"x"}]}]`),
			[]string{`structure Patient.name[0].modifierExtension unknown`}},

		{"date", patient(`"birthDate":"1970-02-30"`), []string{`value Patient.birthDate `}},
		{"integer", patient(`"multipleBirthInteger":1.0`), []string{`value Patient.multipleBirth.ofType(integer) `}},
		{"instant", patient(`"meta":{"lastUpdated":"2020-01-01"}`), []string{`value Patient.meta.lastUpdated `}},
		{"id", `{"resourceType":"Patient","id":"a b"}`, []string{`value Patient.id `}},

		{"code", patient(`"gender":"m"`), []string{`code-invalid Patient.gender must be one of male | female | other | unknown`}},
		{"coding", patient(`"meta":{"tag":[{"code":"anything"}]}`), nil},
		{"concept of a required set", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`, nil},
		{"one of the codings is enough", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`, nil},
		{"concept with a code of another system", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://example.org","code":"active"}]}}`,
			[]string{`code-invalid AllergyIntolerance.clinicalStatus must be one of active | inactive | resolved of http://terminology.hl7.org`}},
		{"concept with text only", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"text":"active"}}`,
			[]string{`code-invalid AllergyIntolerance.clinicalStatus coding is missing`}},
		{"one mistake in a coding is one issue", `{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":1}]}}`,
			[]string{`structure AllergyIntolerance.clinicalStatus.coding[0].code must be a string`}},
		{"MIME type", `{"resourceType":"Binary","id":"b","contentType":"text"}`, []string{`code-invalid Binary.contentType MIME`}},
		{"currency", `{"resourceType":"Invoice","id":"i","status":"draft","totalNet":{"value":1,"currency":"euro"}}`, []string{`code-invalid Invoice.totalNet.currency three capital letters`}},

		{"target", observation(`"subject":{"reference":"Practitioner/1"}`), []string{`value Observation.subject.reference must refer to Patient | Group | Device | Location`}},
		{"target, absolute", observation(`"subject":{"reference":"http://example.org/fhir/Practitioner/1"}`), []string{`value Observation.subject.reference must refer to Patient`}},
		{"targets", observation(`"subject":{"reference":"Patient?identifier=1"},"encounter":{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}`), nil},
		{"no such type", observation(`"subject":{"reference":"Patients/1"}`), []string{`value Observation.subject.reference must name a type`}},
		{"form of a reference", observation(`"subject":{"reference":"a b"}`), []string{`value Observation.subject.reference `}},
		{"contained", observation(`"contained":[{"resourceType":"Patient","id":"x"}],"subject":{"reference":"#x"}`), nil},
		{"contained, after it is referred to", observation(`"subject":{"reference":"#x"},"contained":[{"resourceType":"Patient","id":"x"}]`), nil},
		{"contained, wrong type", observation(`"contained":[{"resourceType":"Practitioner","id":"x"}],"subject":{"reference":"#x"}`), []string{`value Observation.subject.reference must refer to`}},
		{"not contained", observation(`"subject":{"reference":"#x"}`), []string{`invariant Observation.subject.reference (ref-1)`}},
		{"not referred to", observation(`"contained":[{"resourceType":"Patient","id":"y"},{"resourceType":"Patient","id":"x"}],"subject":{"reference":"#y"}`),
			[]string{`invariant Observation.contained[1] (dom-3)`}},
		{"contained without type, referred to", observation(`"contained":[{"id":"x"}],"subject":{"reference":"#x"}`), []string{`structure Observation.contained[0] resourceType must`}},
		{"contained misspelt, referred to", observation(`"Contained":[{"resourceType":"Patient","id":"x"}],"subject":{"reference":"#x"}`), []string{`structure Observation.Contained did you mean`}},
		{"contained, its reference misspelt", observation(`"contained":[{"resourceType":"Patient","id":"x"}],"subject":{"referene":"#x"}`), []string{`structure Observation.subject.referene did you mean`}},
		{"contained with an id that is wrong", observation(`"contained":[{"resourceType":"Patient","id":1}],"subject":{"reference":"#x"}`), []string{`structure Observation.contained[0].id must be a string`}},
		{"refers to the one that contains it", observation(`"contained":[{"resourceType":"Provenance","id":"x","target":[{"reference":"#"}],"recorded":"2020-01-01T00:00:00Z","agent":[{"who":{"display":"a"}}]}]`), nil},
		{"issue in what is contained", observation(`"contained":[{"resourceType":"Patient","id":"x","gender":"m"}],"subject":{"reference":"#x"}`),
			[]string{`code-invalid Observation.contained[0].gender must be one of`}},
		{"contained in contained", observation(`"contained":[{"resourceType":"Patient","id":"x","contained":[{"resourceType":"Patient","id":"z"}]}],"subject":{"reference":"#x"}`),
			[]string{`invariant Observation.contained[0].contained (dom-2)`}},
		{"meta in contained", observation(`"contained":[{"resourceType":"Patient","id":"x","meta":{"versionId":"1","security":[{"code":"R"}]}}],"subject":{"reference":"#x"}`),
			[]string{`invariant Observation.contained[0].meta.versionId (dom-4)`, `invariant Observation.contained[0].meta.security (dom-5)`}},
		{"contained of unknown type", observation(`"contained":[{"resourceType":"Foo","id":"x"}]`), []string{`structure Observation.contained[0] resourceType must`}},
		{"contained without type", observation(`"contained":[{"id":"x"}]`), []string{`structure Observation.contained[0] resourceType must`}},
		{"entry of a Bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","gender":"m"}}]}`,
			[]string{`code-invalid Bundle.entry[0].resource.gender must be one of`}},
		{"fragments stay within an entry", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Observation","status":"final","code":{"text":"c"},"contained":[{"resourceType":"Patient","id":"x"}],"subject":{"reference":"#x"}}},{"resource":{"resourceType":"Observation","status":"final","code":{"text":"c"},"subject":{"reference":"#x"}}}]}`,
			[]string{`invariant Bundle.entry[1].resource.subject.reference (ref-1)`}},

		{"comparator of a simple quantity", observation(`"referenceRange":[{"low":{"value":1,"comparator":"<"}}]`), []string{`invariant Observation.referenceRange[0].low.comparator (sqty-1)`}},
		{"invariant", observation(`"valueString":"a","dataAbsentReason":{"text":"b"}`), []string{`invariant Observation (obs-6)`}},
		{"period", patient(`"name":[{"text":"a","period":{"start":"2020-01-02","end":"2020-01-01"}}]`), []string{`invariant Patient.name[0].period (per-1)`}},
		{"narrative", patient(`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>a</script></div>"}`), []string{`invariant Patient.text.div `}},
		{"two mistakes", patient(`"gender":"m","birthDate":"x"`), []string{`code-invalid Patient.gender `, `value Patient.birthDate `}},
	}
}

func TestIssues(t *testing.T) {
	t.Parallel()
	for _, tt := range issueTests() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			if _, err := r.Read([]byte(tt.doc), true); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range r.Issues() {
				got = append(got, fmt.Sprintf("%s %s %s", i.Code, i.Expression, i.Message))
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q\nwant %q", got, tt.want)
			}
			for i, want := range tt.want {
				code, rest, _ := strings.Cut(want, " ")
				expression, message, _ := strings.Cut(rest, " ")
				if !strings.HasPrefix(got[i], code+" "+expression+" ") || !strings.Contains(got[i], message) {
					t.Errorf("got %q\nwant %q", got[i], want)
				}
			}
		})
	}
}

// TestIssueOffset: an issue tells where it is.
func TestIssueOffset(t *testing.T) {
	t.Parallel()
	for doc, at := range map[string]string{
		`{"resourceType":"Patient", "gender": "m"}`:                                `"m"}`,
		`{"resourceType":"Patient","name":[{"given":["A",1]}]}`:                    `1]}]}`,
		`{"resourceType":"Patient","name":[{"given":["A"]},{"fmly":1}]}`:           `"fmly"`,
		`{"resourceType":"Patient","contact":[{"gender":"male"}]}`:                 `{"gender`,
		`{"resourceType":"Patient","text":{"status":"empty","div":"<div\n a=b>"}}`: `a=b>`,
	} {
		r := newReader(t)
		if _, err := r.Read([]byte(doc), true); err != nil {
			t.Fatal(err)
		}
		if issues := r.Issues(); len(issues) != 1 || !strings.HasPrefix(doc[issues[0].Offset:], at) {
			t.Errorf("%s: issues %+v, want one at %s", doc, issues, at)
		}
	}
}

// TestManyIssues: what is kept of a broken document is bounded, and every resource of a Bundle
// has at least one issue kept.
func TestManyIssues(t *testing.T) {
	t.Parallel()
	var names, entries []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf(`"unknown%d":1`, i))
	}
	broken := `{"resourceType":"Patient",` + strings.Join(names, ",") + `}`
	for range 300 {
		entries = append(entries, `{"resource":`+broken+`}`)
	}
	r := newReader(t)
	if _, err := r.Read([]byte(broken), true); err != nil || len(r.Issues()) != maxIssues {
		t.Errorf("%d issues, error %v; want %d", len(r.Issues()), err, maxIssues)
	}
	if _, err := r.Read([]byte(`{"resourceType":"Bundle","type":"collection","entry":[`+strings.Join(entries, ",")+`]}`), true); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, i := range r.Issues() {
		entry, _, _ := strings.Cut(i.Expression, "]")
		seen[entry] = true
	}
	if len(seen) != 300 || len(r.Issues()) > maxIssuesInAll+300 {
		t.Errorf("%d issues of %d entries, want all 300 entries and at most %d issues", len(r.Issues()), len(seen), maxIssuesInAll+300)
	}
}

// TestCheckAllocatesNothing is alone: allocations of other tests would be counted.
func TestCheckAllocatesNothing(t *testing.T) {
	r := newReader(t)
	for _, supplier := range []string{"suppliers/smart-bulk-10", "suppliers/google-synthea-hiv", "suppliers/mimic-iv-demo-2.0"} {
		lines, _ := benchmarkLines(t, supplier)
		for i, line := range lines[:200] {
			n := testing.AllocsPerRun(2, func() {
				if _, err := r.Read(line, true); err != nil || len(r.Issues()) > 0 {
					t.Fatalf("%s, line %d: %v, %d issues", supplier, i+1, err, len(r.Issues()))
				}
				r.Hash()
			})
			if n != 0 {
				t.Errorf("%s, line %d: %v allocations, want 0", supplier, i+1, n)
			}
		}
	}
}

// TestSuggestsForEver: a reader lives as long as its process, and meets more misspellings than
// it remembers.
func TestSuggestsForEver(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	read := func(name string) {
		doc := `{"resourceType":"PlanDefinition","id":"p","status":"draft","action":[{"condition":[{"` + name + `":"stop"}]}]}`
		if _, err := r.Read([]byte(doc), true); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxSuggestions + 1 {
		read(fmt.Sprintf("other%d", i))
	}
	read("kin")
	if got := r.Issues(); len(got) != 1 || !strings.Contains(got[0].Message, `did you mean "kind"?`) {
		t.Errorf("a misspelling after %d others: %+v", maxSuggestions+1, got)
	}
}
