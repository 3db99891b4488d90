package pull

import (
	"errors"
	"fmt"
	"slices"
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
		files, err := Plan(tt.pull, []string{"1", "b-2"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
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

// TestPlanIsBounded: what is made of a large cohort and many types is refused before it is made.
func TestPlanIsBounded(t *testing.T) {
	t.Parallel()
	few, many := []string{"Patient", "Observation", "Condition"}, []string(nil)
	for i := range fhirmsg.MaxPullTypes {
		many = append(many, fmt.Sprintf("Type%c%c", 'a'+i/26, 'a'+i%26))
	}
	filters := slices.Repeat([]string{"Observation?code=" + strings.Repeat("x", 4000)}, fhirmsg.MaxPullTypes)
	everyone := make([]string, maxPatients)
	for i := range everyone {
		everyone[i] = fmt.Sprint(i)
	}
	for _, tt := range []struct {
		name     string
		pull     fhirmsg.Pull
		patients int
		refused  bool
	}{
		{"everything of everyone", fhirmsg.Pull{Everything: true}, maxPatients, false},
		{"some types of everyone", fhirmsg.Pull{Types: few}, maxPatients, false},
		{"many types of some", fhirmsg.Pull{Types: many}, 1000, false},
		{"many types of everyone", fhirmsg.Pull{Types: many}, maxPatients, true},
		{"everything of many types of everyone", fhirmsg.Pull{Everything: true, Types: many}, maxPatients, true},
		{"many types followed for everyone", fhirmsg.Pull{Everything: true, Follow: many}, maxPatients, true},
		{"long filters", fhirmsg.Pull{Filters: filters}, 1000, true},
		{"nobody", fhirmsg.Pull{Types: few}, 0, false},
	} {
		files, err := Plan(tt.pull, everyone[:tt.patients])
		if errors.Is(err, errPlan) != tt.refused || !tt.refused && len(files) != tt.patients {
			t.Errorf("%s: %d files, %v", tt.name, len(files), err)
		}
	}
}
