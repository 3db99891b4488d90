package lifecycle

import (
	"runtime/debug"
	"testing"
)

func TestUseMemory(t *testing.T) {
	const limit = 300 << 20
	percent, bytes := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer debug.SetGCPercent(percent)
	defer debug.SetMemoryLimit(bytes)
	for _, tt := range []struct {
		name        string
		environ     []string
		wantPercent int
		wantLimit   int64
	}{
		{"by itself", []string{"GOGC=", "PATH=/"}, collectPercent, limit},
		{"as GOGC says", []string{"GOGC=50"}, 50, limit},
		{"as GOMEMLIMIT says", []string{"GOMEMLIMIT=1GiB"}, collectPercent, 1 << 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			debug.SetGCPercent(50) // what the runtime would have made of the variables
			debug.SetMemoryLimit(1 << 30)
			UseMemory(limit, tt.environ)
			if got := debug.SetGCPercent(100); got != tt.wantPercent {
				t.Errorf("GC percent %d, want %d", got, tt.wantPercent)
			}
			if got := debug.SetMemoryLimit(-1); got != tt.wantLimit {
				t.Errorf("memory limit %d, want %d", got, tt.wantLimit)
			}
		})
	}
}
