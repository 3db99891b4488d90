package convert

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestProfiles: what can be read is counted with the elements that it has, whether it is taken, in a Bundle or rejected; of its dates
// nothing is repeated that is none.
func TestProfiles(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},"effectiveDateTime":"2026-03-02T10:00:00Z","valueQuantity":{"value":1}}
{"resourceType":"Observation","id":"b","status":"final","code":{"text":"x"},"effectivePeriod":{"start":"2025-07"},"valueString":"y"}
{"resourceType":"Observation","id":"c","status":"final","code":{"text":"x"},"effectiveDateTime":"Mr Smith","nonsense":1}
{"resourceType":"Observation","id":"d","status":"final","code":{"text":"x"},"effectiveDateTime":"9999"}
{"resourceType":"Observation","id":"e","status":"final","code":{"text":"x"},"effectiveDateTime":"2026-13-45"}
{"resourceType":"Observation","id":"f","status":"final","code":{"text":"x"},"effectivePeriod":{"start":"0001-01-01"}}
{"resourceType":"Observation","id":"g","status":"final","code":{"text":"x"},"effectiveDateTime":"2026-12-32"}
{"resourceType":"Condition","id":"c","subject":{"display":"x"},"onsetString":"1934"}
{"resourceType":"Condition","id":"d","subject":{"display":"x"},"onsetPeriod":{"start":"1935"}}
{"resourceType":"Patient","id":"p","birthDate":"1950-01-01","contained":[{"resourceType":"Organization","id":"o","name":"n"}],"managingOrganization":{"reference":"#o"}}
{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://a/Encounter/e","resource":{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"period":{"start":"2024-12-31","end":"2025-01-01"}}}]}
{"resourceType":"Observation","id":"d","status":`
	want := []fhirmsg.Profile{
		{
			Type: "Condition", Resources: 2, First: "1935", Last: "1935",
			Elements: map[string]int64{"id": 2, "subject": 2, "onsetString": 1, "onsetPeriod": 1},
		},
		{Type: "Encounter", Resources: 1, Elements: map[string]int64{"id": 1, "status": 1, "class": 1, "period": 1}, First: "2024-12-31", Last: "2024-12-31"},
		{
			Type: "Observation", Resources: 7, First: "2025-07", Last: "2026-03-02",
			Elements: map[string]int64{"id": 7, "status": 7, "code": 7, "effectiveDateTime": 5, "effectivePeriod": 2, "valueQuantity": 1, "valueString": 1},
		},
		{Type: "Patient", Resources: 1, Elements: map[string]int64{"id": 1, "birthDate": 1, "contained": 1, "managingOrganization": 1}},
	}
	for _, validation := range []fhirmsg.Validation{fhirmsg.ValidationStrict, fhirmsg.ValidationWarn} {
		out := convertValidated(t, body, validation, nil)
		if diff := cmp.Diff(want, out.Statement.Profiles); diff != "" {
			t.Errorf("%s (-want +got):\n%s", validation, diff)
		}
	}
	if out := convertValidated(t, body, "off", nil); out.Statement.Profiles != nil {
		t.Errorf("nothing was validated: %+v", out.Statement.Profiles)
	}
}
