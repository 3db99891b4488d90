package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/fhirservertest"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

var cohortBegan = time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC)

// subjects writes a file with the ids of n patients.
func subjects(t *testing.T, dir string, n int) string {
	t.Helper()
	var ids strings.Builder
	for i := range n {
		fmt.Fprintf(&ids, "Patient/%d\n", i)
	}
	file := filepath.Join(dir, "subjects.txt")
	if err := os.WriteFile(file, []byte(ids.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPullEqualsExport: a cohort of 50 patients is the same by $everything, by search, and by an export of its Group.
func TestPullEqualsExport(t *testing.T) {
	t.Parallel()
	const patients = 50
	all := fhirservertest.Cohort(patients, 6, cohortBegan)
	searched := fhirservertest.New(t, fhirservertest.Options{Resources: all, Twice: true, NoTotal: true, Pretty: true})
	of := slices.DeleteFunc(slices.Clone(all), func(r exporttest.Resource) bool { return r.Type == "Group" || r.Type == "List" })
	exported := exporttest.New(t, exporttest.Options{Resources: of, Time: cohortBegan.Add(24 * time.Hour)})
	env, dir, prefix := shared(t), t.TempDir(), ownDataset(t)+"-"
	importJSON(t, env, "--export", exported.URL, "--group", "study", "--mode", "sync", "--dataset", prefix+"exported")
	ways := map[string][]string{
		"everything": {"--everything", searched.URL, "--group", "study", "--follow", "Binary", "--page-size", "7"},
		"searched": {
			"--search", searched.URL, "--patients", subjects(t, dir, patients), "--type", strings.Join(fhirservertest.Types, ","),
			"--follow", strings.Join(fhirservertest.Supporting, ","), "--page-size", "5",
		},
	}
	database := databaseURL(t, env)
	want := digest(t, database, prefix+"exported")
	if !strings.HasPrefix(want, fmt.Sprint(len(of))+" ") {
		t.Fatalf("the export has %s, want %d resources", want, len(of))
	}
	for dataset, args := range ways {
		status := importJSON(t, env, append(args, "--mode", "sync", "--dataset", prefix+dataset)...)
		wantBalanced(t, dataset, status)
		if status.State != ledger.StateComplete || len(status.Notes) > 0 {
			t.Errorf("%s: %s, %s, %q", dataset, status.State, status.Reason, status.Notes)
		}
		if got := digest(t, database, prefix+dataset); got != want {
			t.Errorf("%s: digest %s, want that of the export, %s", dataset, got, want)
		}
	}
}

// TestPullFetcherKilled: kill -9 of the fetcher in the middle of a pull. It goes on at the page, and nothing is there twice
// or missing.
func TestPullFetcherKilled(t *testing.T) {
	t.Parallel()
	const patients, observations = 3, 600
	s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(patients, observations, cohortBegan)})
	p := newPipeline(t, true)
	for _, name := range []string{"parser", "writer"} {
		p.start(name)
	}
	fetcher := p.start("fetcher")
	const count, pages = 250, 3 // pages that are larger than what is gathered of short ones
	s.Stall(2)
	id := p.request(fhirmsg.ImportRequest{Mode: fhirmsg.ModeSync, ChunkSize: 8 << 10, Sources: []fhirmsg.Source{{Pull: &fhirmsg.Pull{
		URL: s.URL, Patients: []string{"0", "1", "2"}, Types: []string{"Observation"}, Count: count, Concurrency: 1,
	}}}})
	waitFor(t, "the pull to be in its middle", func() bool {
		status, err := p.ledger.Status(t.Context(), id)
		return err == nil && len(s.Asked()) == 3 && status.Resources.Inserted == count*2
	})
	fetcher.kill()
	s.Release()
	p.start("fetcher")
	status := p.wait(id)
	wantBalanced(t, "after the kill", status)
	if r := status.Resources; status.State != ledger.StateComplete || r.Inserted != patients*observations || r.Seen != patients*observations {
		t.Errorf("%s: %s, %+v", status.State, status.Reason, r)
	}
	if n := len(s.Asked()); n != patients*pages+1 {
		t.Errorf("%d pages were asked for, want each once, and again the one that was not answered", n)
	}
}
