package fetcher

import (
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
)

// TestCredit: a supplier that has little on its way is granted an eighth at a time, one look after the other; one that
// has about all that it may is looked at from time to time.
func TestCredit(t *testing.T) {
	t.Parallel()
	const limit, chunk = 800, 10
	l := ledger.New(ledgertest.New(t))
	tests := []struct {
		name     string
		unstated int64
		granted  int64
		rests    bool
	}{
		{"nothing on its way", 0, limit / 8, false},
		{"room for more than an eighth", limit - limit/8 - 1, limit / 8, false},
		{"room for an eighth", limit - limit/8, limit / 8, true},
		{"room for a chunk", limit - chunk, chunk, true},
		{"room for less", limit - chunk + 1, 0, true},
	}
	for _, tt := range tests {
		c := &credit{ledger: l, imp: fhirmsg.Import{Supplier: "a"}, limit: limit}
		start := time.Now()
		if err := c.look(t.Context(), chunk, tt.unstated); err != nil {
			t.Fatal(err)
		}
		if c.granted != tt.granted {
			t.Errorf("%s: %d granted, want %d", tt.name, c.granted, tt.granted)
		}
		if took := time.Since(start); tt.rests && c.pause < lookEvery || !tt.rests && c.pause > took {
			t.Errorf("%s: the next look after %v, this one took %v", tt.name, c.pause, took)
		}
	}
}
