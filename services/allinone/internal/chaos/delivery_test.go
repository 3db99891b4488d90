package chaos

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// TestDeliveries: the same seed gives the same bytes and another seed others; everything that a
// round is to have is in them.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	sums := func(seed uint64) map[string]string {
		dir := t.TempDir()
		all, err := makeDeliveries(t.Context(), dir, seed, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != len(recipes) {
			t.Fatalf("%d deliveries, want %d", len(all), len(recipes))
		}
		sums := map[string]string{}
		for _, d := range all {
			if d.lines == 0 || d.resources == 0 {
				t.Errorf("%s has %d lines, %d resources", d.dir, d.lines, d.resources)
			}
			files, err := filepath.Glob(filepath.Join(d.dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				name, err := filepath.Rel(dir, f)
				if err != nil {
					t.Fatal(err)
				}
				sums[name] = fmt.Sprintf("%x", sha256.Sum256(b))
			}
		}
		return sums
	}
	first := sums(1)
	if again := sums(1); !maps.Equal(first, again) {
		t.Errorf("the same seed gives other deliveries: %v and %v", first, again)
	}
	if maps.Equal(first, sums(2)) {
		t.Error("another seed gives the same deliveries")
	}
}
