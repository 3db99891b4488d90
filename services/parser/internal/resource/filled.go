package resource

import (
	"math/bits"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// Filled is which elements a resource has. Contained resources are not told of by themselves.
type Filled struct {
	Type     *fhirdef.Type
	Elements uint64            // by their Index
	Choices  []*fhirdef.Member // of the elements of several types, which ones
	Date     []byte            // when what it tells of was, YYYY, YYYY-MM or YYYY-MM-DD; nil: not said, or no date
}

// Filled returns what the resources of the document have that was read last, in the order in which they end; none where it was not
// checked. It is valid until the next Read.
func (r *Reader) Filled() []Filled { return r.filled }

// dated are the elements by which resources are dated, the most telling first. A Period counts by its start. That of birth is
// not among them: it tells of the patient.
var dated = map[string][]string{
	"AllergyIntolerance":       {"recordedDate", "onset"},
	"Appointment":              {"start"},
	"CarePlan":                 {"period"},
	"CareTeam":                 {"period"},
	"Claim":                    {"created"},
	"Condition":                {"recordedDate", "onset"},
	"Coverage":                 {"period"},
	"DiagnosticReport":         {"effective", "issued"},
	"DocumentReference":        {"date"},
	"Encounter":                {"period"},
	"EpisodeOfCare":            {"period"},
	"ExplanationOfBenefit":     {"created"},
	"ImagingStudy":             {"started"},
	"Immunization":             {"occurrence"},
	"MedicationAdministration": {"effective"},
	"MedicationDispense":       {"whenHandedOver", "whenPrepared"},
	"MedicationRequest":        {"authoredOn"},
	"MedicationStatement":      {"effective", "dateAsserted"},
	"Observation":              {"effective", "issued"},
	"Procedure":                {"performed"},
	"Provenance":               {"recorded"},
	"ServiceRequest":           {"authoredOn"},
}

// dates are the indexes of the elements of dated.
func dates(d *fhirdef.Definitions) map[*fhirdef.Type][]int {
	of := map[*fhirdef.Type][]int{}
	for name, elements := range dated {
		t := d.Type(name)
		for _, wanted := range elements {
			for _, e := range t.Elements {
				if e.Name == wanted {
					of[t] = append(of[t], e.Index)
				}
			}
		}
	}
	return of
}

// keepFilled notes what a resource has that is not contained.
func (r *Reader) keepFilled(f *frame) {
	one := Filled{Type: f.typ, Elements: f.seen}
	first := len(r.choices)
	for set := f.seen; set != 0; set &= set - 1 {
		if i := bits.TrailingZeros64(set); f.typ.Elements[i].Choice {
			r.choices = append(r.choices, f.choice[i])
		}
	}
	one.Choices = r.choices[first:len(r.choices):len(r.choices)]
	for _, i := range r.dates[f.typ] {
		if f.valued>>i&1 == 0 || f.typ.Elements[i].Choice && !tells(f.choice[i].Type.Name) {
			continue
		}
		v := lex.At(r.Doc, int(f.at[i]))
		if v.Kind == lex.Object {
			v = lex.Find(r.Doc, v.Start, "start")
		}
		if one.Date = day(v.Text); one.Date != nil {
			break
		}
	}
	r.filled = append(r.filled, one)
}

// tells reports whether a type is one of dates. Texts are not, though they may begin with digits.
func tells(name string) bool { return name == "dateTime" || name == "Period" || name == "instant" }

// day is the date that a dateTime or instant begins with, or nil. Nothing that is none is taken: it might say who somebody is.
func day(text []byte) []byte {
	n := 0
	for n < len(text) && n < len("YYYY-MM-DD") {
		if dash := n == 4 || n == 7; dash != (text[n] == '-') || !dash && (text[n] < '0' || text[n] > '9') {
			break
		}
		n++
	}
	if n != 4 && n != 7 && n != 10 || n < len(text) && (n != 10 || text[n] != 'T') {
		return nil
	}
	if !between(text[:4], "1900", "2100") {
		return nil // a placeholder, by which all others would be told of wrongly
	}
	if n >= 7 && !between(text[5:7], "01", "12") || n == 10 && !between(text[8:10], "01", "31") {
		return nil
	}
	return text[:n]
}

func between(text []byte, first, last string) bool {
	return string(text) >= first && string(text) <= last
}
