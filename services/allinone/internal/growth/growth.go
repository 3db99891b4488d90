package growth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stoker-fhir/stoker/services/allinone/internal/bench"
)

// Options say what to measure.
type Options struct {
	Programs  string            // folder of nats-server, fetcher, parser and writer
	Dir       string            // for data and databases; there already, and the caller's to remove
	Resources int64             // in all; rounded down to whole steps
	Step      int64             // resources of one import
	Settings  map[string]string // of PostgreSQL, by name, in place of the private server's own
	Log       io.Writer
}

func (o Options) validate() error {
	if o.Step < 1 || o.Resources < 2*o.Step {
		return errors.New("there must be at least two steps of at least one resource")
	}
	return checkDisk(o)
}

// Run imports step after step and returns what was measured.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("growth: %w", err)
	}
	p, err := bench.StartPipeline(ctx, bench.PipelineOptions{Programs: opts.Programs, Dir: opts.Dir, Settings: opts.Settings})
	if err != nil {
		return nil, fmt.Errorf("growth: %w", err)
	}
	defer p.Close()
	report, err := newReport(ctx, p, opts)
	if err != nil {
		return nil, fmt.Errorf("growth: %w", err)
	}
	before, err := look(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("growth: %w", err)
	}
	for n := range opts.Resources / opts.Step {
		step, after, err := measure(ctx, p, opts, n, before)
		if err != nil {
			return nil, fmt.Errorf("growth: step %d: %w", n+1, err)
		}
		_, _ = fmt.Fprintf(opts.Log, "step %d  %d resources  %8.0f resources/s\n", n+1, step.Resources, step.Rate)
		report.Steps = append(report.Steps, step)
		before = after
	}
	return report, nil
}

// measure imports one step into what the steps before left.
func measure(ctx context.Context, p *bench.Pipeline, opts Options, n int64, before state) (Step, state, error) {
	dir := filepath.Join(opts.Dir, "data")
	size, err := writeData(ctx, dir, uint64(n)+1, opts.Step)
	if err != nil {
		return Step{}, state{}, err
	}
	start := time.Now()
	id, err := p.Import(ctx, dir, "")
	seconds := time.Since(start).Seconds()
	if err != nil {
		return Step{}, state{}, err
	}
	after, err := look(ctx, p)
	if err != nil {
		return Step{}, state{}, err
	}
	var inserted int64
	if err := p.Pool.QueryRow(ctx, `SELECT inserted FROM stoker.totals($1)`, [16]byte(id)).Scan(&inserted); err != nil {
		return Step{}, state{}, err
	}
	if inserted != opts.Step {
		return Step{}, state{}, fmt.Errorf("%d resources were inserted, not %d", inserted, opts.Step)
	}
	step := newStep(opts.Step, before, after)
	step.Resources, step.Bytes = (n+1)*opts.Step, size
	step.Seconds, step.Rate = seconds, float64(opts.Step)/seconds
	return step, after, os.RemoveAll(dir)
}
