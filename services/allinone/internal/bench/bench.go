package bench

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/generate"
)

// Options say what to measure.
type Options struct {
	Programs string // folder of nats-server, fetcher, parser and writer
	Dir      string // for data and databases; removed at the end
	Patients int
	Rounds   int // the first is discarded
	Log      io.Writer
}

// bench is the pipeline under measurement.
type bench struct {
	opts      Options
	data      [2]string // the resources, and a later state of all of them
	resources int64
	bytes     int64
	*Pipeline
}

// Run measures and returns the report.
func Run(ctx context.Context, opts Options) (report *Report, err error) {
	b := &bench{opts: opts}
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	defer b.Close()
	report = newReport(b)
	for round := range opts.Rounds {
		for _, s := range scenarios {
			m, err := b.measure(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			b.logf("round %d  %-9s %8.0f resources/s\n", round, s.name, m.rate)
			if round > 0 || opts.Rounds == 1 {
				report.add(s.name, m)
			}
		}
	}
	report.finish(b)
	return report, nil
}

func (b *bench) logf(format string, args ...any) { _, _ = fmt.Fprintf(b.opts.Log, format, args...) }

// prepare makes the data and starts the processes.
func (b *bench) prepare(ctx context.Context) (err error) {
	for revision := range b.data {
		b.data[revision] = filepath.Join(b.opts.Dir, fmt.Sprintf("data%d", revision))
		summary, err := generate.Run(ctx, generate.Options{Dir: b.data[revision], Patients: b.opts.Patients, Seed: 1, Revision: revision})
		if err != nil {
			return err
		}
		b.resources, b.bytes = summary.Resources, summary.Bytes
	}
	b.logf("%d resources, %.0f MB\n", b.resources, float64(b.bytes)/1e6)
	b.Pipeline, err = StartPipeline(ctx, PipelineOptions{Programs: b.opts.Programs, Dir: b.opts.Dir})
	return err
}

// importFolder runs one import to its end. No validation named is the default.
func (b *bench) importFolder(ctx context.Context, dir string, validation fhirmsg.Validation) error {
	_, err := b.Import(ctx, dir, validation)
	return err
}
