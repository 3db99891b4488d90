package ledger

import (
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// fetching is an import under way of which a chunk is parsed: rejected of 1,300 lines are.
func (l *Ledger) fetching(t *testing.T, maxRejects string, rejected int64) fhirmsg.Import {
	t.Helper()
	req := newRequest(t)
	req.MaxRejects = maxRejects
	imp := l.mustAccept(t, req.WithDefaults())
	_, err := l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	s := parsedStatement(imp, 1300, 1300-rejected)
	s.IssueCounts = []fhirmsg.IssueCount{issueCount("structure", "Condition.context", rejected, 2)}
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{s}))
	return imp
}

func TestTooManyRejectsPause(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetching(t, "", 412)
	check(t, l.NewSweeper().Sweep(t.Context()))
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	want := "412 of 1,300 lines were rejected (limit 10 %). These look like STU3: 412 × Condition.context, which R4 calls encounter. " +
		"Resume with: stoker import --resume " + imp.ID.String() + "; end with: stoker cancel " + imp.ID.String()
	if s.State != StatePaused || s.Reason != want {
		t.Fatalf("%s: %s\nwant paused: %s", s.State, s.Reason, want)
	}
	// Resumed, it goes on whatever is rejected.
	_, _, err = l.Resume(t.Context(), imp.ID)
	check(t, err)
	_, err = l.BeginFetch(t.Context(), imp.ID)
	check(t, err)
	check(t, l.NewSweeper().Sweep(t.Context()))
	s, err = l.Status(t.Context(), imp.ID)
	check(t, err)
	if s.State != StateFetching || s.Reason != "" {
		t.Errorf("after it was resumed: %s: %s", s.State, s.Reason)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	tests := []struct {
		limit    string
		rejected int64
		want     State
	}{
		{"10%", 130, StateFetching},
		{"10%", 131, StatePaused},
		{"off", 1300, StateFetching},
		{"0", 0, StateFetching},
		{"0", 1, StatePaused},
		{"200", 200, StateFetching},
		{"200", 201, StatePaused},
	}
	for _, tt := range tests {
		imp := l.fetching(t, tt.limit, tt.rejected)
		check(t, l.NewSweeper().Sweep(t.Context()))
		if got := l.state(t, imp.ID); got != tt.want {
			t.Errorf("limit %s, %d rejected: %s, want %s", tt.limit, tt.rejected, got, tt.want)
		}
	}
}

// TestNothingToPause: an import that was read to its end completes, and says what was the matter.
func TestNothingToPause(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 2000)
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{parsedStatement(imp, 2000, 0)}))
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{
		{Line: 1, Raw: []byte("id,name,born\r")}, {Line: 2, Raw: []byte("1,a,2000")}, {Line: 3, Raw: []byte("2,b,2001")},
	}}}))
	check(t, l.Settle(t.Context(), imp.ID))
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	want := "2,000 of 2,000 lines were rejected (limit 10 %) when all had been read already, so it was not paused. These look like CSV"
	if s.State != StateComplete || !strings.HasPrefix(s.Reason, want) || strings.Contains(s.Reason, "Resume") {
		t.Errorf("%s: %s", s.State, s.Reason)
	}
}
