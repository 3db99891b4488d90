package growth

import (
	"fmt"
	"syscall"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// What a run needs of a disk, on the safe side.
const (
	rowBytes  = 4 << 10 // a resource's row with its share of indexes and of the ledger
	lineBytes = 2 << 10 // a resource in a step's files
	logBytes  = 6 << 30 // PostgreSQL's log, which goes beyond max_wal_size for moments
)

// needed is how many bytes a run may take: its rows, the files of a step, the log, and the
// queues, whose sizes JetStream reserves.
func needed(resources, step int64) int64 {
	bytes := resources*rowBytes + step*lineBytes + logBytes
	for _, s := range fhirmsg.Streams() {
		bytes += s.MaxBytes
	}
	return bytes
}

// checkDisk refuses to begin what would fill the disk.
func checkDisk(opts Options) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(opts.Dir, &stat); err != nil {
		return fmt.Errorf("free space of %s: %w", opts.Dir, err)
	}
	free, need := int64(stat.Bavail)*int64(stat.Bsize), needed(opts.Resources, opts.Step)
	_, _ = fmt.Fprintf(opts.Log, "%s has %.1f GB free; %d resources may take %.1f GB\n",
		opts.Dir, float64(free)/1e9, opts.Resources, float64(need)/1e9)
	if free < need {
		return fmt.Errorf("%s has %.1f GB free, and %.1f GB are needed: name another folder, or fewer resources",
			opts.Dir, float64(free)/1e9, float64(need)/1e9)
	}
	return nil
}
