package pgd

import "fmt"

// Bounds of max_wal_size, in bytes. More than the greatest makes the recovery after a crash long.
const (
	minWAL = 4 << 30
	maxWAL = 16 << 30
)

// maxWALSize is a tenth of what the disk has free. A checkpoint comes when the log has grown by about
// half of it, and after each the first change of every page goes to the log whole: for rows with
// random ids, nearly a page of an index each (docs/capacity.md).
func maxWALSize(free int64) string {
	return fmt.Sprintf("%dMB", min(max(free/10, minWAL), maxWAL)>>20)
}
