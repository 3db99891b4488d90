package chaos

import (
	"slices"
	"testing"
	"time"
)

// TestPlan: a seed gives one plan, in order, within its limits, and many seeds give every kind
// of fault to every part that can suffer it.
func TestPlan(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for seed := range uint64(500) {
		plan := makePlan(newRandom(seed, planPurpose), 20, 4*time.Second, seed%2 == 0)
		if again := makePlan(newRandom(seed, planPurpose), 20, 4*time.Second, seed%2 == 0); !slices.Equal(plan, again) {
			t.Fatalf("seed %d gives two plans: %v and %v", seed, plan, again)
		}
		before := 0.0
		for _, f := range plan {
			longer := f.length > 4*time.Second
			if f.at < before || f.at > lastStrike || f.length <= 0 || longer && (f.kind != stop || seed%2 == 1) {
				t.Errorf("seed %d: %v after %.2f", seed, f, before)
			}
			before = f.at
			seen[f.part+" "+string(f.kind)] = true
		}
	}
	want := len(services)*2 + 2 + 4 + len(links)*6
	if len(seen) != want {
		t.Errorf("%d pairs of part and kind, want %d: %v", len(seen), want, seen)
	}
}
