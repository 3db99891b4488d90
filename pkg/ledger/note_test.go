package ledger

import (
	"slices"
	"testing"
)

// TestNoteIsPublished: a note that is new is a change of its import, for the journal; the same again is none.
func TestNoteIsPublished(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	publish := func() (notes []string, changed bool) {
		t.Helper()
		list, err := l.UnpublishedOf(t.Context(), imp.ID)
		check(t, err)
		for _, s := range list {
			check(t, l.Published(t.Context(), imp.ID, s.Change))
			notes = s.Notes
		}
		return notes, len(list) > 0
	}
	publish()
	check(t, l.Note(t.Context(), imp.ID, "a"))
	if notes, changed := publish(); !changed || !slices.Equal(notes, []string{"a"}) {
		t.Errorf("published: %v, %q", changed, notes)
	}
	check(t, l.Note(t.Context(), imp.ID, "a"))
	if _, changed := publish(); changed {
		t.Error("the same note again is a change")
	}
	check(t, l.Note(t.Context(), imp.ID, "b", "a"))
	if notes, changed := publish(); !changed || !slices.Equal(notes, []string{"a", "b"}) {
		t.Errorf("published: %v, %q", changed, notes)
	}
}
