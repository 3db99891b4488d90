package outbound

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, after, date string
		want              time.Duration
	}{
		{"none", "", "", 0},
		{"seconds", "120", "", 2 * time.Minute},
		{"less than none", "-5", "", 0},
		{"no number", "soon", "", 0},
		{"a time", "Fri, 01 May 2026 00:01:30 GMT", "", 90 * time.Second},
		{"a time that is over", "Thu, 30 Apr 2026 00:00:00 GMT", "", 0},
		{"a time by the server's clock", "Fri, 01 May 2026 01:00:30 GMT", "Fri, 01 May 2026 01:00:00 GMT", 30 * time.Second},
	} {
		h := http.Header{"Retry-After": {tt.after}, "Date": {tt.date}}
		if got := RetryAfter(h, now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
