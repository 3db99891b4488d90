package lifecycle

import (
	"os"
	"runtime/debug"
)

// collectPercent lets a heap grow to four times what is live before it is collected. The services
// hold some ten megabytes at a time and go through gigabytes: by Go's default they spend a sixth
// to a quarter of their time collecting (docs/performance.md).
const collectPercent = 300

// UseMemory has the garbage collector run rarely while the process has less than limit bytes, and as
// often as it must to stay near it. GOGC and GOMEMLIMIT, where set, count instead.
func UseMemory(limit int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
