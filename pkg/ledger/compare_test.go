package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// observed is a complete import of Observations, of which so many have a value, and which end on a date.
func (l *Ledger) observed(t *testing.T, n, valued int64, last string) fhirmsg.Import {
	t.Helper()
	imp := l.fetchOne(t, n)
	s := parsedStatement(imp, n, n)
	s.Profiles = []fhirmsg.Profile{{
		Type: "Observation", Resources: n, Elements: map[string]int64{"id": n, "valueQuantity": valued}, First: "2020-01-01", Last: last,
	}}
	divergent := s
	divergent.Fingerprint = fhirmsg.HashOf([]byte("other"))
	divergent.Profiles = []fhirmsg.Profile{{Type: "Patient", Resources: 7, Elements: map[string]int64{"id": 7}}}
	for range 2 { // saying it twice changes nothing, and what contradicts it is not counted
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{s, divergent}))
	}
	l.recordWritten(t, writtenBatch(imp, "Observation", n))
	check(t, l.Settle(t.Context(), imp.ID))
	return imp
}

func TestCompare(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.observed(t, 100, 98, "2026-01-31")
	c, err := l.Compare(t.Context(), first.ID, fhirmsg.ImportID{})
	check(t, err)
	if c.Before != nil || len(c.Findings) != 0 || len(c.Types) != 1 || c.Types[0].Now.Profiled != 100 || c.Now.Resources != 100 {
		t.Errorf("the first: %+v", c)
	}
	second := l.observed(t, 80, 57, "2025-12-31")
	c, err = l.Compare(t.Context(), second.ID, fhirmsg.ImportID{})
	check(t, err)
	if c.Before == nil || c.Before.Import != first.ID {
		t.Fatalf("compared with %+v", c.Before)
	}
	var texts []string
	for _, f := range c.Findings {
		texts = append(texts, f.Text)
	}
	want := []string{
		"Observation.valueQuantity is there in 71.2 % of 80, 98 % of 100 the last time",
		"Observation: 80, 100 the last time",
		"Observation: the latest is of 2025-12-31, and was of 2026-01-31 the last time",
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e := c.Types[0].Elements; len(e) != 2 || e[0].Element != "id" || e[0].Rate != 1 || e[1].Now != 57 || e[1].Before != 98 {
		t.Errorf("elements %+v", e)
	}
	if c, err = l.Compare(t.Context(), second.ID, second.ID); err != nil || len(c.Findings) != 0 {
		t.Errorf("with itself: %v, %+v", err, c.Findings)
	}
	for _, ids := range [][2]fhirmsg.ImportID{{{9}, {}}, {second.ID, {9}}} {
		if _, err := l.Compare(t.Context(), ids[0], ids[1]); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v: %v", ids, err)
		}
	}
}

// TestCompareOtherSupplier: an import is compared with those of its own supplier only, also where another is named.
func TestCompareOtherSupplier(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	other := newRequest(t)
	other.Supplier = "other"
	theirs := l.mustAccept(t, other)
	mine := l.observed(t, 30, 30, "2026-01-31")
	if _, err := l.Compare(t.Context(), mine.ID, theirs.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("another supplier's: %v", err)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	figures := func(n int64) TypeFigures { return TypeFigures{Resources: n, Profiled: n} }
	for _, tt := range []struct {
		name string
		c    Comparison
		want []string
	}{
		{"the first", Comparison{Now: Delivered{Resources: 5}, Types: []TypeComparison{{Type: "Patient", Now: figures(5)}}}, nil},
		{"equal", Comparison{Before: &Delivered{}, Types: []TypeComparison{{Type: "Patient", Now: figures(500), Before: figures(499)}}}, nil},
		{"types come and go", Comparison{Before: &Delivered{}, Types: []TypeComparison{{Type: "Patient", Now: figures(1234)}, {Type: "Procedure", Before: figures(2)}}},
			[]string{"Patient: 1,234, none the last time", "Procedure: none, 2 the last time"}},
		{"rejects", Comparison{Now: Delivered{Resources: 900, Rejected: 100}, Before: &Delivered{Resources: 1000}}, []string{"10 % of what was read was rejected, 0 % the last time"}},
		{"few say nothing", Comparison{Before: &Delivered{}, Types: []TypeComparison{{Type: "Patient", Now: figures(10), Before: figures(10),
			Elements: []ElementComparison{{Element: "name", Last: 1}}}}}, nil},
	} {
		var got []string
		for _, f := range tt.c.find() {
			got = append(got, f.Text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestCompareEnds: a comparison that takes too long ends, and says so.
func TestCompareEnds(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.observed(t, 1, 1, "2026-01-31")
	tx, err := l.pool.Begin(t.Context())
	check(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // only its lock is of use
	_, err = tx.Exec(t.Context(), `LOCK TABLE stoker.profile IN ACCESS EXCLUSIVE MODE`)
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // as its own minute
	defer cancel()
	if _, err := l.Compare(ctx, imp.ID, fhirmsg.ImportID{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it cannot be read: %v", err)
	}
}

func TestIsBefore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"2025-12-31", "2026-01-31", true}, {"2025", "2026-01", true}, {"2026", "2026-03", false}, {"2026-03", "2026", false}, {"2026-03-02", "2026-03", false},
	} {
		if got := isBefore(tt.a, tt.b); got != tt.want {
			t.Errorf("%s before %s: %v", tt.a, tt.b, got)
		}
	}
}
