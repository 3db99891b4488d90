package delivery

import (
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestAskedAgain: an import that was asked for and is not accepted is asked for again, by who goes on too, and what comes after it waits.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clock := func() time.Time { return now }
	h := newHeap(quick, now, nil, clock)
	h.put("a", "x", 1, 10, true)
	h.put("a", "y", 2, 10, true)
	want := func(what string, sequences ...uint64) {
		t.Helper()
		due := h.due()
		if len(due) != len(sequences) || len(due) == 1 && due[0].First != sequences[0] {
			t.Fatalf("%s: %d are due, want %v", what, len(due), sequences)
		}
		for _, p := range due {
			p.Requested, p.asked = true, now
		}
	}
	want("at first", 1)
	now = now.Add(askAgain - 1)
	want("before long")
	now = now.Add(1)
	want("after long", 1)
	list := h.changed()
	list[0].Requested = true
	h = newHeap(quick, now, list, clock)
	want("another gatherer")
	now = now.Add(askAgain)
	want("another gatherer, after long", 1)
	h.accept([]fhirmsg.ImportID{list[0].Import})
	want("once it was accepted", 2)
	h.accept([]fhirmsg.ImportID{list[1].Import})
	now = now.Add(askAgain)
	want("all are accepted")
}
