package lifecycle

import (
	"runtime/debug"
	"slices"
	"strings"
)

// collectPercent lets a heap grow to four times what is live before it is collected. The services
// hold some ten megabytes at a time and go through gigabytes: by Go's default they spend a sixth
// to a quarter of their time collecting (docs/performance.md).
const collectPercent = 300

// UseMemory has the garbage collector run rarely while the process has less than limit bytes, and as
// often as it must to stay near it. GOGC and GOMEMLIMIT, where the environment has them, count instead.
func UseMemory(limit int64, environ []string) {
	if !isSet(environ, "GOGC") {
		debug.SetGCPercent(collectPercent)
	}
	if !isSet(environ, "GOMEMLIMIT") {
		debug.SetMemoryLimit(limit)
	}
}

func isSet(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") && v != name+"=" })
}
