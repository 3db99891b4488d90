package ledger

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPages: of a file the last page is kept, with what is to be followed, and nothing is left when the import is over.
func TestPages(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	if p, ok, err := l.Page(t.Context(), imp.ID, 1); err != nil || ok || p.Line != 1 || p.Offset != 0 {
		t.Errorf("before the first page: %+v, %v, %v", p, ok, err)
	}
	want := Page{Offset: 7, Line: 3, Body: []byte("{}\n"), Place: json.RawMessage(`{"query": 1}`)}
	a, b, c, d := Pointed{"Location", "a"}, Pointed{"Location", "b"}, Pointed{"Practitioner", "c"}, Pointed{"Practitioner", "d"}
	check(t, l.KeepPage(t.Context(), imp.ID, 1, Page{Body: []byte{}, Line: 1, Place: json.RawMessage(`{}`)}, Found{Wanted: []Pointed{d, b, a, c, a}}))
	check(t, l.KeepPage(t.Context(), imp.ID, 1, want, Found{There: []Pointed{c}, Wanted: []Pointed{c}}))
	got, ok, err := l.Page(t.Context(), imp.ID, 1)
	check(t, err)
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("page %v (-want +got):\n%s", ok, diff)
	}
	wanted := func(want ...Pointed) {
		t.Helper()
		got, err := l.Wanted(t.Context(), imp.ID, 0, 10)
		check(t, err)
		if diff := cmp.Diff(want, got, cmp.Transformer("", func(list []Pointed) []Pointed { return append([]Pointed{}, list...) })); diff != "" {
			t.Errorf("wanted (-want +got):\n%s", diff)
		}
	}
	wanted(a, b) // of one type
	check(t, l.KeepPage(t.Context(), imp.ID, 1, want, Found{Asked: []Pointed{a, b}, There: []Pointed{b}}))
	wanted(d)
	if other, err := l.Wanted(t.Context(), imp.ID, 1, 10); err != nil || len(other) > 0 {
		t.Errorf("of another source: %v, %v", other, err)
	}
	check(t, l.KeepPage(t.Context(), imp.ID, 1, want, Found{Wanted: []Pointed{a}, Asked: []Pointed{d}, There: []Pointed{d}}))
	wanted()
	if lacks, err := l.Lacks(t.Context(), imp.ID, 0); err != nil || !lacks {
		t.Errorf("what did not come is not known: %v, %v", lacks, err)
	}
	check(t, l.DropPages(t.Context()))
	if _, ok, err := l.Page(t.Context(), imp.ID, 1); err != nil || !ok {
		t.Errorf("the page of an import that is not over was removed: %v", err)
	}
	check(t, l.DropPage(t.Context(), imp.ID, 1))
	check(t, l.KeepPage(t.Context(), imp.ID, 2, want, Found{}))
	check(t, l.Cancel(t.Context(), imp.ID))
	check(t, l.DropPages(t.Context()))
	for _, table := range []string{"page", "pointed"} {
		var n int
		check(t, l.pool.QueryRow(t.Context(), `SELECT count(*) FROM stoker.`+table).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows of stoker.%s are left", n, table)
		}
	}
}
