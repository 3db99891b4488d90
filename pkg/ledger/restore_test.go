package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// statement is the newest state of an import, which is then published.
func (l *Ledger) statement(t *testing.T, id fhirmsg.ImportID) fhirmsg.ImportStatement {
	t.Helper()
	list, err := l.UnpublishedOf(t.Context(), id)
	check(t, err)
	if len(list) != 1 {
		t.Fatalf("%d unpublished states, want 1", len(list))
	}
	check(t, l.Published(t.Context(), id, list[0].Change))
	return list[0]
}

func (l *Ledger) forget(t *testing.T, id fhirmsg.ImportID) {
	t.Helper()
	_, err := l.pool.Exec(t.Context(), `DELETE FROM stoker.import WHERE id = $1`, [16]byte(id))
	check(t, err)
}

// TestRestoreImport: the newer state counts, in whatever order they come; what nothing changed of is not
// published again; the clock is raised.
func TestRestoreImport(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	accepted := l.statement(t, imp.ID)
	check(t, l.Cancel(t.Context(), imp.ID))
	cancelled := l.statement(t, imp.ID)
	if list, err := l.Unpublished(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%d states are unpublished after all were published, %v", len(list), err)
	}
	want, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	for name, order := range map[string][]fhirmsg.ImportStatement{
		"in order": {accepted, cancelled}, "reversed": {cancelled, accepted}, "twice": {cancelled, cancelled},
	} {
		l.forget(t, imp.ID)
		_, err := l.pool.Exec(t.Context(), `UPDATE stoker.clock SET last = 'epoch'`)
		check(t, err)
		for _, s := range order {
			_, err := l.RestoreImport(t.Context(), s)
			check(t, err)
		}
		got, err := l.Status(t.Context(), imp.ID)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		var last time.Time
		check(t, l.pool.QueryRow(t.Context(), `SELECT last FROM stoker.clock`).Scan(&last))
		if last.UnixMicro() < imp.Issued {
			t.Errorf("%s: the clock is at %s, before the import", name, last)
		}
	}
}

// TestAcceptAgain: an import whose row was lost has its version again, and what a restore brings later of the time
// before does not undo what happened since. A row that is up to date stays.
func TestAcceptAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	req := newRequest(t)
	imp := l.mustAccept(t, req)
	check(t, l.PinFiles(t.Context(), imp.ID, nil, nil))
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	before := l.statement(t, imp.ID)
	check(t, l.AcceptAgain(t.Context(), before))
	if got := l.state(t, imp.ID); got != StateFetching {
		t.Errorf("a row that is up to date became %s", got)
	}
	l.forget(t, imp.ID)
	check(t, l.AcceptAgain(t.Context(), before))
	if again := l.mustAccept(t, req); again != imp {
		t.Errorf("accepted again as %+v, before %+v", again, imp)
	}
	if _, err := l.RecordFetched(t.Context(), imp.ID, 0, 1, nil); err == nil {
		t.Error("chunks were stated of an import whose files are not known")
	}
	check(t, l.PinFiles(t.Context(), imp.ID, nil, nil))
	_, err = l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.CloseList(t.Context(), imp.ID))
	later := before
	later.Change += 100
	for _, s := range []fhirmsg.ImportStatement{before, later} {
		_, err := l.RestoreImport(t.Context(), s)
		check(t, err)
	}
	if got := l.state(t, imp.ID); got != StateDraining {
		t.Errorf("an import that was fetched again is %s after a restore, want draining", got)
	}
}
