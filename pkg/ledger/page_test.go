package ledger

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPages: of a file the last page is kept, with what is to be followed, and nothing is left when the import is over.
func TestPages(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	files := make([]File, 3)
	for i := range files {
		files[i] = File{Index: int32(i), Name: "f", Locator: json.RawMessage(`{}`), State: "waiting", Size: -1}
	}
	check(t, l.PinFiles(t.Context(), imp.ID, files, nil))
	if p, ok, err := l.Page(t.Context(), imp.ID, 1); err != nil || ok || p.Line != 1 || p.Offset != 0 {
		t.Errorf("before the first page: %+v, %v, %v", p, ok, err)
	}
	want := Page{Offset: 7, Line: 3, Body: []byte("{}\n"), Place: json.RawMessage(`{"query": 1}`)}
	a, b, c, d := Pointed{"Location", "a"}, Pointed{"Location", "b"}, Pointed{"Practitioner", "c"}, Pointed{"Practitioner", "d"}
	first := Page{Body: []byte{}, Line: 1, Place: json.RawMessage(`{}`)}
	check(t, l.KeepPage(t.Context(), imp.ID, 1, Page{}, first, Found{Wanted: []Pointed{d, b, a, c, a}}))
	check(t, l.KeepPage(t.Context(), imp.ID, 1, first, want, Found{There: []Pointed{c}, Wanted: []Pointed{c}}))
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
	check(t, l.KeepPage(t.Context(), imp.ID, 1, want, want, Found{Asked: []Pointed{a, b}, There: []Pointed{b}}))
	wanted(d)
	if other, err := l.Wanted(t.Context(), imp.ID, 1, 10); err != nil || len(other) > 0 {
		t.Errorf("of another source: %v, %v", other, err)
	}
	check(t, l.KeepPage(t.Context(), imp.ID, 1, want, want, Found{Wanted: []Pointed{a}, Asked: []Pointed{d}, There: []Pointed{d}}))
	wanted()
	if lacks, err := l.Lacks(t.Context(), imp.ID, 0); err != nil || !lacks {
		t.Errorf("what did not come is not known: %v, %v", lacks, err)
	}
	check(t, l.DropPages(t.Context()))
	if _, ok, err := l.Page(t.Context(), imp.ID, 1); err != nil || !ok {
		t.Errorf("the page of an import that is not over was removed: %v", err)
	}
	check(t, l.DropPage(t.Context(), imp.ID, 1))
	check(t, l.KeepPage(t.Context(), imp.ID, 2, Page{}, want, Found{}))
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

// TestPageIsOvertaken: who went on from a page that is not the last one any more, stores nothing.
func TestPageIsOvertaken(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	check(t, l.PinFiles(t.Context(), imp.ID, []File{{Name: "f", Locator: json.RawMessage(`{}`), State: "waiting", Size: -1}}, nil))
	none := Page{Line: 1}
	first := Page{Line: 1, Body: []byte("{}\n"), Place: json.RawMessage(`{"query": 1, "failing": "2026-05-01T10:00:00.123456789Z"}`)}
	second := Page{Offset: 3, Line: 2, Body: []byte("{}\n"), Place: json.RawMessage(`{"query":2}`)}
	overtaken := func(when string, before Page) {
		t.Helper()
		found := Found{Wanted: []Pointed{{"Location", "a"}}}
		if err := l.KeepPage(t.Context(), imp.ID, 0, before, Page{Offset: 3, Line: 9, Body: []byte("[]"), Place: json.RawMessage(`{}`)}, found); !errors.Is(err, ErrOvertaken) {
			t.Errorf("%s: %v", when, err)
		}
		if wanted, err := l.Wanted(t.Context(), imp.ID, 0, 1); err != nil || len(wanted) > 0 {
			t.Errorf("%s: wanted %v, %v", when, wanted, err)
		}
	}
	check(t, l.KeepPage(t.Context(), imp.ID, 0, none, first, Found{}))
	overtaken("another one began", none)
	check(t, l.KeepPage(t.Context(), imp.ID, 0, first, second, Found{}))
	overtaken("another one went on", first)
	if got, _, err := l.Page(t.Context(), imp.ID, 0); err != nil || got.Line != second.Line || string(got.Body) != string(second.Body) {
		t.Errorf("the page is %+v, %v", got, err)
	}
	check(t, l.CloseFile(t.Context(), imp.ID, 0, ""))
	check(t, l.DropPage(t.Context(), imp.ID, 0))
	overtaken("another one ended it", second)
	overtaken("another one began and ended it", none)
}
