package growth

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/services/allinone/internal/bench"
)

// Report is what was measured, and on what.
type Report struct {
	Cores      int               `json:"cores"`
	Memory     int64             `json:"memory_bytes"` // of the machine; 0 where it is not known
	PostgreSQL map[string]string `json:"postgresql"`   // its version and the settings that matter here
	Steps      []Step            `json:"steps"`
}

// Step is one import. Costs are of the time since the end of the step before.
type Step struct {
	Resources int64   `json:"resources"` // in the dataset, at the end
	Bytes     int64   `json:"bytes"`     // of ndjson, of this step alone
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"resources_per_second"`

	CPU     map[string]float64 `json:"cpu_seconds_per_million"` // by process, as all maps here
	Peak    map[string]int64   `json:"peak_bytes"`              // resident, since the beginning
	Read    map[string]int64   `json:"read_bytes"`              // from disks
	Written map[string]int64   `json:"written_bytes"`           // to disks

	WAL         int64   `json:"wal_bytes"`
	FullPages   int64   `json:"wal_full_pages"`
	Checkpoints int64   `json:"checkpoints"`
	Misses      int64   `json:"pages_not_in_shared_buffers"`
	Stream      float64 `json:"stream_bytes"` // added to RESOURCES, whether it was trimmed later or not
	Sizes       Sizes   `json:"sizes"`        // at the end
}

// settings are those of PostgreSQL that are part of a report.
var settings = []string{
	"server_version", "shared_buffers", "max_wal_size", "checkpoint_timeout", "wal_compression", "full_page_writes",
	"synchronous_commit", "data_checksums", "autovacuum_vacuum_insert_scale_factor", "autovacuum_vacuum_insert_threshold",
}

func newReport(ctx context.Context, p *bench.Pipeline, opts Options) (*Report, error) {
	r := &Report{Cores: runtime.NumCPU(), Memory: memory(), PostgreSQL: map[string]string{}}
	names := append([]string{}, settings...)
	for name := range opts.Settings {
		names = append(names, name)
	}
	for _, name := range names {
		var value string
		if err := p.Pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value); err != nil {
			return nil, err
		}
		r.PostgreSQL[name] = value
	}
	return r, nil
}

func newStep(resources int64, before, after state) Step {
	s := Step{
		CPU: map[string]float64{}, Peak: map[string]int64{}, Read: map[string]int64{}, Written: map[string]int64{},
		WAL: after.wal - before.wal, FullPages: after.fullPages - before.fullPages,
		Checkpoints: after.checkpoints - before.checkpoints, Misses: after.misses - before.misses, Sizes: after.sizes,
	}
	for name, load := range after.loads {
		s.CPU[name] = (load.CPU - before.loads[name].CPU) * 1e6 / float64(resources)
		s.Peak[name] = load.Peak
		// A process that ended between two looks may take its part along before it is waited for.
		s.Read[name] = max(load.Read-before.loads[name].Read, 0)
		s.Written[name] = max(load.Written-before.loads[name].Written, 0)
	}
	// The stream may have been trimmed, so what came is the number of messages at their mean size.
	if after.stream.Messages > 0 {
		mean := float64(after.stream.Bytes) / float64(after.stream.Messages)
		s.Stream = mean * float64(after.stream.Last-before.stream.Last)
	}
	return s
}

// Ratio is the rate of the last step to that of the second, before which nothing is warm.
func (r *Report) Ratio() float64 {
	if len(r.Steps) < 2 {
		return 0
	}
	return r.Steps[len(r.Steps)-1].Rate / r.Steps[1].Rate
}

// memory is how much the machine has, in bytes.
func memory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64) // the kernel writes numbers
			return n << 10
		}
	}
	return 0
}
