package ledger

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"
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

// TestNotesAtOnce: files that are fetched at once notice the same, each in an order of its own.
func TestNotesAtOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.mustAccept(t, newRequest(t))
	for round := range 20 {
		var texts []string
		for i := range 40 {
			texts = append(texts, fmt.Sprintf("%d of round %d", i, round))
		}
		backwards := slices.Clone(texts)
		slices.Reverse(backwards)
		var group errgroup.Group
		for _, texts := range [][]string{texts, backwards, append(backwards[20:], texts...)} {
			group.Go(func() error { return l.Note(t.Context(), imp.ID, texts...) })
		}
		check(t, group.Wait())
	}
	status, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if len(status.Notes) != 20*40 {
		t.Errorf("%d notes", len(status.Notes))
	}
}
