package ledger

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// TestSweepReports: rejects go when the policy keeps them no longer, and nothing else does.
func TestSweepReports(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for name, days := range map[string]int{"short": 7, "long": 30, "ever": 0} {
		check(t, l.AddSupplier(t.Context(), supplier.Supplier{Name: name, Policy: supplier.Policy{KeepReportsDays: days}}, false))
	}
	ids := map[string]fhirmsg.ImportID{}
	for _, name := range []string{"short", "long", "ever", "nobody", "open", "retried"} {
		req := newRequest(t)
		req.Supplier, req.Dataset = name, name
		if name == "open" || name == "retried" {
			req.Supplier, req.Dataset = "short", "short"
		}
		imp := l.mustAccept(t, req)
		ids[name] = imp.ID
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 2, 1)}))
		check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{{Line: 1, Raw: []byte("x")}, {Line: 2, Stored: true}}}}))
		l.recordWritten(t, writtenBatch(imp, "Patient", 1))
		if name != "open" {
			_, err := l.pool.Exec(t.Context(), `UPDATE stoker.import SET state = 'complete', ended = clock_timestamp() - interval '8 days' WHERE id = $1`, [16]byte(imp.ID))
			check(t, err)
		}
	}
	retry := newRequest(t)
	retry.Supplier, retry.Dataset, retry.Sources, retry.Retry = "short", "short", nil, ids["retried"]
	imp := l.mustAccept(t, retry)
	if n, err := l.SweepReports(t.Context()); n != 2 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
	if n, err := l.SweepReports(t.Context()); n != 0 || err != nil {
		t.Errorf("again: removed %d, %v", n, err)
	}
	for name, id := range ids {
		rejects, stored, err := l.CountReported(t.Context(), id)
		check(t, err)
		sweep, err := l.Swept(t.Context(), id)
		check(t, err)
		gone := name == "short"
		if gone != (rejects+stored == 0) || gone != (sweep != nil) {
			t.Errorf("%s: %d rejects and %d of what was stored are left, removed %+v", name, rejects, stored, sweep)
		}
		s, err := l.Status(t.Context(), id)
		if err != nil || s.Lines.Rejected != 1 || s.Resources.Inserted != 1 || s.Missing != 0 || gone != (s.Swept != nil) {
			t.Errorf("%s: account %+v, %+v, missing %d, removed %v, %v", name, s.Lines, s.Resources, s.Missing, s.Swept, err)
		}
	}
	// A message that comes again, as after a restore, brings nothing back.
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: fhirmsg.Import{ID: ids["short"]}}, Items: []fhirmsg.Reject{{Line: 1, Raw: []byte("x")}}}}))
	if rejects, _, err := l.CountReported(t.Context(), ids["short"]); rejects != 0 || err != nil {
		t.Errorf("%d rejects came back, %v", rejects, err)
	}
	check(t, l.Cancel(t.Context(), imp.ID))
	if n, err := l.SweepReports(t.Context()); n != 2 || err != nil {
		t.Errorf("after the retry: removed %d, %v", n, err)
	}
	if _, err := l.Swept(t.Context(), fhirmsg.ImportID{1}); err == nil {
		t.Error("an import that there is not has reports")
	}
}
