package lifecycle

import (
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ took, want time.Duration }{
		{0, 100 * time.Millisecond},
		{10 * time.Millisecond, 100 * time.Millisecond},
		{40 * time.Millisecond, 400 * time.Millisecond},
		{17 * time.Second, 5 * time.Second}, // an outage
	} {
		if got := Rest(tt.took, 100*time.Millisecond, 5*time.Second); got != tt.want {
			t.Errorf("after %v: %v, want %v", tt.took, got, tt.want)
		}
	}
}
