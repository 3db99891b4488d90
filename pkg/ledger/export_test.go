package ledger

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestExport: an export is one caller's at a time, when it is due; what it ends with becomes the import's transaction
// time, and it is to be removed once its import is over.
func TestExport(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	claim := func(at time.Time) (Export, bool) {
		t.Helper()
		e, claimed, err := l.ClaimExport(t.Context(), imp.ID, 1, at, at.Add(time.Minute))
		check(t, err)
		return e, claimed
	}
	e, claimed := claim(now)
	if !claimed || e.State != ExportAsking || string(e.Job) != "{}" {
		t.Errorf("the first claim: %v, %+v", claimed, e)
	}
	if e, claimed := claim(now.Add(59 * time.Second)); claimed || !e.Next.Equal(now.Add(time.Minute)) {
		t.Errorf("another one's: %v, next %s", claimed, e.Next)
	}
	slow := e
	if e, claimed = claim(now.Add(time.Minute)); !claimed {
		t.Error("what a claim left is nobody's")
	}
	slow.State, slow.Job = ExportFailed, json.RawMessage(`{}`)
	if err := l.KeepExport(t.Context(), slow); !errors.Is(err, ErrOvertaken) {
		t.Errorf("who claimed it before keeps it: %v", err)
	}
	e.State, e.Job, e.Next = ExportUnderWay, json.RawMessage(`{"status": "u"}`), now.Add(time.Hour)
	check(t, l.KeepExport(t.Context(), e))
	if got, claimed := claim(now.Add(2 * time.Minute)); claimed || !got.Next.Equal(e.Next) || string(got.Job) != string(e.Job) {
		t.Errorf("before it is due: %v, %+v", claimed, got)
	}
	if e, claimed = claim(now.Add(time.Hour)); !claimed {
		t.Error("it is not claimed when it is due")
	}
	at := now.Add(-time.Hour)
	e.State, e.At = ExportReady, &at
	check(t, l.KeepExport(t.Context(), e))
	if _, claimed = claim(now.Add(2 * time.Hour)); claimed {
		t.Error("what is at its end is claimed")
	}
	over := func(id fhirmsg.ImportID, at time.Time) int {
		t.Helper()
		list, err := l.ClaimOverExports(t.Context(), id, at, at.Add(time.Minute), 10)
		check(t, err)
		return len(list)
	}
	if n := over(fhirmsg.ImportID{}, now) + over(imp.ID, now); n != 0 {
		t.Errorf("%d are over while the import goes on", n)
	}
	later := now.UnixMicro()
	check(t, l.PinFiles(t.Context(), imp.ID, []File{{Locator: json.RawMessage(`{}`), State: "waiting", AsOf: &later, Subsetted: []string{"Patient"}}}, nil))
	check(t, l.Note(t.Context(), imp.ID, "b", "a", "b"))
	check(t, l.Note(t.Context(), imp.ID))
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.TransactionTime == nil || !s.TransactionTime.Equal(at) || !cmp.Equal(s.Notes, []string{"a", "b"}) {
		t.Errorf("transaction time %v, notes %q", s.TransactionTime, s.Notes)
	}
	check(t, l.Cancel(t.Context(), imp.ID))
	if a, b := over(fhirmsg.ImportID{}, now), over(fhirmsg.ImportID{}, now.Add(time.Second)); a != 1 || b != 0 {
		t.Errorf("over are %d, and at once again %d", a, b)
	}
	check(t, l.RemovedExport(t.Context(), e, now))
	if n := over(fhirmsg.ImportID{}, now.Add(time.Hour)); n != 0 {
		t.Errorf("%d are over after the removal", n)
	}

	// After a restore of the database all of it is back but the export itself.
	files, _, err := l.Files(t.Context(), imp.ID)
	check(t, err)
	want, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	stated := l.statement(t, imp.ID)
	for _, table := range []string{"import", "file", "note", "export"} {
		_, err := l.pool.Exec(t.Context(), `DELETE FROM stoker.`+table)
		check(t, err)
	}
	f := files[0]
	check(t, l.RestoreFileList(t.Context(), fhirmsg.FileList{Import: imp.ID, Files: []fhirmsg.ListedFile{
		{Locator: f.Locator, State: f.State, AsOf: timeOf(f.AsOf), Subsetted: f.Subsetted},
	}}))
	_, err = l.RestoreImport(t.Context(), stated)
	check(t, err)
	got, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	again, _, err := l.Files(t.Context(), imp.ID)
	check(t, err)
	if diff := cmp.Diff(files, again); diff != "" {
		t.Errorf("restored files (-want +got):\n%s", diff)
	}
}
