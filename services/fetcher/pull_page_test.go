package fetcher

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/fhirservertest"
)

// TestPullNumbersLines: pages without lines between others leave the numbers of lines as they are, by which rejects are told
// apart.
func TestPullNumbersLines(t *testing.T) {
	t.Parallel()
	f, _, pool := exporting(t)
	gone := func(r exporttest.Resource) bool { return r.Type == "Binary" && (r.ID == "b0" || r.ID == "b2") }
	s := fhirservertest.New(t, fhirservertest.Options{Resources: slices.DeleteFunc(fhirservertest.Cohort(5, 1, march), gone)})
	req := pullRequest(t, s.URL, fhirmsg.Pull{Types: []string{"DocumentReference"}, Patients: []string{"0", "1", "2", "3", "4"}, Follow: []string{"Binary"}})
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var lines []int64
	for _, c := range f.chunks(t) {
		if c.File != 5 {
			continue
		}
		lines = append(lines, c.FirstLine)
		group := fhirmsg.Rejects{
			RejectsHeader: fhirmsg.RejectsHeader{Import: c.Import, Place: c.Place},
			Items:         []fhirmsg.Reject{{Line: c.FirstLine, Offset: c.Offset, Raw: c.Body}},
		}
		if err := f.ledger.RecordRejects(t.Context(), []fhirmsg.Rejects{group}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, lines); diff != "" {
		t.Errorf("first lines (-want +got):\n%s", diff)
	}
	var rejects int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM stoker.reject`).Scan(&rejects); err != nil || rejects != 3 {
		t.Errorf("%d rejects, %v", rejects, err)
	}
}

// TestPullWithoutLines: how far a file was read is stored although its pages have no lines, and an import that is cancelled
// meanwhile is left.
func TestPullWithoutLines(t *testing.T) {
	t.Parallel()
	const read = heldPages + 10
	begin := func(t *testing.T) (*fetcher, *fhirservertest.Server, fhirmsg.ImportRequest) {
		t.Helper()
		f, _, _ := exporting(t)
		s := fhirservertest.New(t, fhirservertest.Options{Resources: fhirservertest.Cohort(1, 4*heldPages, march)})
		s.Stall(read)
		return f, s, pullRequest(t, s.URL, fhirmsg.Pull{
			Types: []string{"Observation"}, Patients: []string{"none"}, Count: 1, Concurrency: 1, Deletions: true, Since: &march,
		})
	}
	t.Run("died", func(t *testing.T) {
		t.Parallel()
		f, s, req := begin(t)
		f.dies(t, req, s, read)
		if err := f.again().fetch(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if n := len(s.Asked(fhirservertest.History)); n != 1 {
			t.Errorf("the first page was asked for %d times", n)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		f, s, req := begin(t)
		ended := make(chan error)
		go func() { ended <- f.fetch(t.Context(), req) }()
		waitUntil(t, func() bool { return len(s.Asked()) > read })
		if err := f.ledger.Cancel(t.Context(), req.ID); err != nil {
			t.Fatal(err)
		}
		s.Release()
		if err := <-ended; !errors.Is(err, errHalted) {
			t.Error(err)
		}
		if n := len(s.Asked()); n > 2*heldPages {
			t.Errorf("%d pages were asked for", n)
		}
	})
}
