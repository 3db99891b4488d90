package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestPrintFiles: what failed or differs is shown however many files there are.
func TestPrintFiles(t *testing.T) {
	t.Parallel()
	five := int64(5000)
	var s ledger.Status
	for range 30 {
		s.Files = append(s.Files, ledger.FileStatus{Name: "fine", State: "closed"})
	}
	s.Files = append(s.Files,
		ledger.FileStatus{Name: "short", State: "closed", Lines: 4, Announced: &five, Differs: true},
		ledger.FileStatus{Name: "gone", State: "failed", Reason: "404", Kind: ledger.KindDeleted},
		ledger.FileStatus{Name: "problems", State: "failed", Lines: 7, Kind: ledger.KindOutcome})
	var out bytes.Buffer
	a := &app{io: IO{Out: &out}}
	a.printFiles(s)
	a.printManifestRemarks(s)
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"short closed 4 0 its manifest says 5,000 resources", "gone failed 0 0 deletions; 404", "problems failed 7 0 outcomes, not stored",
		"… and 10 more files", "1 files have another number of resources", "the supplier reports 7 outcomes",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	if a.printManifestRemarks(ledger.Status{Files: []ledger.FileStatus{{Announced: &five, Lines: 5000}}}); out.Len() > 0 {
		t.Errorf("without reason: %q", out.String())
	}
}
