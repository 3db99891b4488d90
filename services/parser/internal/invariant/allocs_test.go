//go:build !race

package invariant

import "testing"

// TestAllocs: a check that finds nothing allocates nothing. The race detector makes
// sync.Pool forget at random.
func TestAllocs(t *testing.T) {
	d := definitions(t)
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		n := read(d, []byte(c.good), 0, d.Type(c.typ)).node
		found := 0
		if allocs := testing.AllocsPerRun(10, func() { s.Check(&n, func(Finding) { found++ }) }); allocs > 0 {
			t.Errorf("%s %s: got %v allocations", c.key, c.good, allocs)
		}
	}
}
