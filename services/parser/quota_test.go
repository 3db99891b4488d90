package parser

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
)

// TestQuota: a type is full from its share of the stream on, by the mean size of its own
// messages, and what waits is asked for seldom.
func TestQuota(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	waiting := bus.TypeBacklog{Limit: 3200, Average: 1}
	asked := 0
	q := &quota{share: 0.5, types: map[string]*typeUse{}, now: func() time.Time { return now },
		backlog: func(context.Context, string) (bus.TypeBacklog, error) { asked++; return waiting, nil }}
	want := func(what string, full bool, times int) {
		t.Helper()
		got, err := q.full(t.Context(), "Observation")
		if err != nil || got != full || asked != times {
			t.Errorf("%s: full %v, asked %d times, %v; want %v, %d", what, got, asked, err, full, times)
		}
	}
	want("nothing waits", false, 1)
	q.published("Observation", 99)
	want("less than a sixteenth published", false, 1)
	q.published("Observation", 301)
	waiting.Messages = 7 // of 200 bytes
	want("1400 of 1600 bytes wait", false, 2)
	q.published("Observation", 200)
	waiting.Messages = 8
	want("1600 of 1600 bytes wait", true, 3)
	want("soon after", true, 3)
	now = now.Add(lookEvery)
	want("later", true, 4)
	waiting.Messages = 0
	now = now.Add(lookEvery)
	want("all stored", false, 5)
	q.published("Observation", 1<<20)
	want("a message larger than the quota passed, and nothing waits", false, 6)

	other := &quota{share: 0.5, types: map[string]*typeUse{}, now: time.Now,
		backlog: func(context.Context, string) (bus.TypeBacklog, error) { return bus.TypeBacklog{Messages: 9}, nil }}
	if full, err := other.full(t.Context(), "Patient"); full || err != nil {
		t.Errorf("a stream without a limit is full: %v, %v", full, err)
	}
}

// TestHeld: only what was delivered before is remembered, by content.
func TestHeld(t *testing.T) {
	t.Parallel()
	h := newHeld()
	first := bus.Message{Data: []byte("a"), Delivery: 1}
	h.add(first, []string{"Observation"})
	again, other := bus.Message{Data: []byte("a"), Delivery: 2}, bus.Message{Data: []byte("b"), Delivery: 2}
	if got := fmt.Sprint(h.types(first), h.types(again), h.types(other)); got != "[] [Observation] []" {
		t.Errorf("got %s", got)
	}
	h.remove(again)
	if got := h.types(again); got != nil {
		t.Errorf("removed, and waits for %v", got)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for delivery, want := range []time.Duration{2, 2, 4, 8, 16, 30, 30} {
		if got := delay(uint64(delivery)); got != want*time.Second {
			t.Errorf("delivery %d: %s, want %ds", delivery, got, want)
		}
	}
}
