package conformance

import (
	"strings"
	"testing"
)

// TestConformance runs all suites, with fewer mutations than `make conformance`.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, s := range Suites(Options{Mutations: 1, Examples: 2, Seed: 1}) {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r, err := s.Run()
			if err != nil {
				t.Fatal(err)
			}
			if r.Cases() == 0 {
				t.Error("there are no cases")
			}
			if n := Count(r.Wrong); n > 0 {
				var b strings.Builder
				if err := Print(&b, []Result{r}, false); err != nil {
					t.Fatal(err)
				}
				t.Errorf("%d of %d cases are wrong\n%s", n, r.Cases(), b.String())
			}
		})
	}
}
