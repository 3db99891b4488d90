package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func TestPullFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ids := file("ids", "\ufeffPatient/1\r\n\n# the second\n 2 \n")
	since := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		pull   pullFlags
		export exportFlags
		want   *fhirmsg.Pull
		err    string
	}{
		{"everything", pullFlags{everything: "https://a/fhir/", patientsFile: ids, follow: []string{"Binary"}, rate: 2}, exportFlags{patients: []string{"Patient/3"}},
			&fhirmsg.Pull{URL: "https://a/fhir", Everything: true, Patients: []string{"3", "1", "2"}, Follow: []string{"Binary"}, Rate: 2}, ""},
		{"search", pullFlags{search: "https://a/fhir", deletions: true, count: 10, atOnce: 2}, exportFlags{group: "7", types: []string{"Patient, Observation", "Condition"}, typeFilters: []string{"Observation?code=1"}, since: "2026-05-01T00:00:00Z"},
			&fhirmsg.Pull{URL: "https://a/fhir", Group: "7", Types: []string{"Patient", "Observation", "Condition"}, Filters: []string{"Observation?code=1"}, Since: &since, Deletions: true, Count: 10, Concurrency: 2}, ""},
		{"a list", pullFlags{everything: "https://a", list: "x"}, exportFlags{}, &fhirmsg.Pull{URL: "https://a", Everything: true, List: "x"}, ""},
		{"a search for patients", pullFlags{everything: "https://a", cohort: "Patient?x=1"}, exportFlags{}, &fhirmsg.Pull{URL: "https://a", Everything: true, Cohort: "Patient?x=1"}, ""},
		{"none", pullFlags{}, exportFlags{}, nil, ""},
		{"both", pullFlags{everything: "https://a", search: "https://a"}, exportFlags{}, nil, "name one"},
		{"and an export", pullFlags{everything: "https://a"}, exportFlags{server: "https://a"}, nil, "name one"},
		{"of an export", pullFlags{everything: "https://a"}, exportFlags{until: "x"}, nil, "are of an export"},
		{"of none", pullFlags{patientsFile: ids}, exportFlags{}, nil, "are of a pull"},
		{"nobody", pullFlags{everything: "https://a"}, exportFlags{}, nil, "name the cohort"},
		{"two cohorts", pullFlags{everything: "https://a", list: "x"}, exportFlags{group: "x"}, nil, "exactly one"},
		{"no types", pullFlags{search: "https://a"}, exportFlags{group: "x"}, nil, "types"},
		{"no time", pullFlags{everything: "https://a"}, exportFlags{group: "x", since: "secret"}, nil, "--since"},
		{"no URL", pullFlags{everything: "secret"}, exportFlags{group: "x"}, nil, "url"},
		{"no file", pullFlags{everything: "https://a", patientsFile: filepath.Join(dir, "none")}, exportFlags{}, nil, "--patients"},
		{"no ids", pullFlags{everything: "https://a", patientsFile: file("empty", "#\n")}, exportFlags{}, nil, "no ids"},
		{"a line that is none", pullFlags{everything: "https://a", patientsFile: file("bad", "1\nsecret x\n")}, exportFlags{}, nil, "line 2"},
	}
	for _, tt := range tests {
		f := importFlags{pull: tt.pull, export: tt.export}
		err := f.check([]string{"a file"})
		var got *fhirmsg.Pull
		if err == nil {
			var sources []fhirmsg.Source
			if sources, err = f.remote(nil); len(sources) > 0 {
				got = sources[0].Pull
			}
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
