package pull

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 5, 1, 2, 0, 0, 0, time.FixedZone("", 2*3600))
	tests := []struct {
		name string
		pull fhirmsg.Pull
		want []string
	}{
		{"everything", fhirmsg.Pull{Everything: true}, []string{"Patient/1/$everything?_count=200", "Patient/b-2/$everything?_count=200"}},
		{"everything of some types", fhirmsg.Pull{Everything: true, Types: []string{"Patient", "Observation"}, Since: &since, Count: 7, Follow: []string{"Binary"}}, []string{
			"Patient/1/$everything?_since=2026-05-01T00%3A00%3A00Z&_count=7&_type=Patient%2CObservation",
			"Patient/b-2/$everything?_since=2026-05-01T00%3A00%3A00Z&_count=7&_type=Patient%2CObservation", "follows"}},
		{"search", fhirmsg.Pull{Types: []string{"Patient", "AdverseEvent", "Observation", "Patient"}, Since: &since}, []string{
			"Patient?_id=1&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=200 AdverseEvent?subject=Patient%2F1&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=200 " +
				"Observation?patient=1&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=200",
			"Patient?_id=b-2&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=200 AdverseEvent?subject=Patient%2Fb-2&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=200 " +
				"Observation?patient=b-2&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=200"}},
		{"filters", fhirmsg.Pull{Types: []string{"Observation"}, Filters: []string{"Observation?category=a|b,c", "Observation?code=x", "Condition?y=%20"}, Count: 1}, []string{
			"Observation?category=a|b,c&patient=1&_count=1 Observation?code=x&patient=1&_count=1 Condition?y=%20&patient=1&_count=1",
			"Observation?category=a|b,c&patient=b-2&_count=1 Observation?code=x&patient=b-2&_count=1 Condition?y=%20&patient=b-2&_count=1"}},
		{"deletions", fhirmsg.Pull{Types: []string{"Patient"}, Since: &since, Deletions: true, Count: 1}, []string{
			"Patient/_history?_since=2026-05-01T00%3A00%3A00Z&_count=1 history", "Patient?_id=1&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=1", "Patient?_id=b-2&_lastUpdated=ge2026-05-01T00%3A00%3A00Z&_count=1"}},
	}
	for _, tt := range tests {
		var got []string
		for _, f := range Plan(tt.pull, []string{"1", "b-2"}) {
			line := strings.Join(f.Queries, " ")
			if f.History {
				line += " history"
			}
			if f.Follows {
				line += "follows"
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
