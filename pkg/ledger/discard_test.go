package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func (l *Ledger) recordDiscard(t *testing.T, id fhirmsg.ImportID, file string) {
	t.Helper()
	check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
		d, err := FindDiscard(t.Context(), tx, id, file)
		if err != nil {
			return err
		}
		return d.Record(t.Context(), tx)
	}))
}

// TestDiscardedAccount: the account of a discarded import still balances, and a statement that is
// repeated does not change it.
func TestDiscardedAccount(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 7)
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 7, 7)}))
	w := writtenBatch(imp, "Patient", 7)
	w.Outcomes = []byte("ivu=sdk")
	w.Counts = Counts{Inserted: 2, Updated: 1, Unchanged: 1, Stale: 1, Deleted: 1, Skipped: 1, Conflicts: 1}
	l.recordWritten(t, w)
	check(t, l.NewSweeper().Sweep(t.Context()))
	for range 2 {
		l.recordDiscard(t, imp.ID, "")
		l.recordWritten(t, w)
		s, err := l.Status(t.Context(), imp.ID)
		check(t, err)
		if s.Resources.Counts != (Counts{Discarded: 7}) || s.Missing != 0 || s.Divergent != 0 || s.State != StateComplete || s.Reason != "discarded" {
			t.Errorf("%s (%s), missing %d, divergent %d, %+v", s.State, s.Reason, s.Missing, s.Divergent, s.Resources.Counts)
		}
		if _, outcome, err := l.OutcomeOf(t.Context(), w.Batch, 6); err != nil || outcome != "discarded" {
			t.Errorf("outcome of a resource: %s, %v", outcome, err)
		}
	}
}

// TestDiscardedIsNotRetried: neither all of it, nor what is of a file that was discarded.
func TestDiscardedIsNotRetried(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.rejectedImport(t, reject(1, 0, "{}"))
	early, _ := l.mustRetry(t, imp.ID, "")
	l.recordDiscard(t, imp.ID, "a")
	files, _, err := l.RejectedFiles(t.Context(), imp.ID)
	check(t, err)
	if len(files) != 0 {
		t.Errorf("files to put through again: %+v; want none, the file was discarded", files)
	}
	l.recordDiscard(t, imp.ID, "")
	if _, err := l.Retry(t.Context(), imp.ID, ""); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "discarded") {
		t.Errorf("retry of what was discarded: %v", err)
	}
	req := newRequest(t)
	req.Sources, req.Retry = nil, imp.ID
	_, state, err := l.Accept(t.Context(), req, 2, "")
	check(t, err)
	s, err := l.Status(t.Context(), req.ID)
	check(t, err)
	if state != StateFailed || !strings.Contains(s.Reason, "discarded") {
		t.Errorf("accepted all the same: %s, %s", state, s.Reason)
	}
	if got := l.state(t, early.ID); got != StateAccepted {
		t.Errorf("a retry that was accepted before is %s", got)
	}
}

// TestGaveWay: only what may have met the import counts.
func TestGaveWay(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	stale := func(imp fhirmsg.Import, typ string) {
		w := writtenBatch(imp, typ, 1)
		w.Counts, w.Outcomes = Counts{Stale: 1}, []byte("s")
		l.recordWritten(t, w)
	}
	ended := l.mustAccept(t, newRequest(t))
	stale(ended, "Patient")
	check(t, l.Cancel(t.Context(), ended.ID))
	meanwhile := l.mustAccept(t, newRequest(t))
	x := l.mustAccept(t, newRequest(t))
	l.recordWritten(t, writtenBatch(x, "Patient", 1))
	check(t, l.Cancel(t.Context(), x.ID))
	want := func(what string, want int64) {
		t.Helper()
		check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
			d, err := FindDiscard(t.Context(), tx, x.ID, "")
			if err != nil {
				return err
			}
			got, err := d.GaveWay(t.Context(), tx)
			if got != want {
				t.Errorf("%s: %d gave way, want %d", what, got, want)
			}
			return err
		}))
	}
	want("ended before", 0)
	stale(meanwhile, "Observation")
	want("of another type", 0)
	stale(meanwhile, "Patient")
	want("in the meantime", 1)
	stale(l.mustAccept(t, newRequest(t)), "Patient")
	want("later", 2)
}
