package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// FairOptions say how a small supplier is measured beside a large one.
type FairOptions struct {
	Programs string // folder of nats-server, fetcher, parser and writer
	Dir      string // for data and databases; removed at the end
	Lines    int    // of the large supplier's import
	Small    int    // of each of the small one's
	Out      io.Writer
}

// pauseBetween is how long the small supplier waits after one import has ended.
const pauseBetween = time.Second

// Fair measures how long the imports of a small supplier take, first alone, then one after the other while the import of a
// large one is in flight. Both deliver resources of one type, so the small one's wait for the same writers.
func Fair(ctx context.Context, opts FairOptions) error {
	large, small := filepath.Join(opts.Dir, "large.ndjson"), filepath.Join(opts.Dir, "small.ndjson")
	for path, n := range map[string]int{large: opts.Lines, small: opts.Small} {
		if err := writeObservations(path, n); err != nil {
			return err
		}
	}
	p, err := StartPipeline(ctx, PipelineOptions{Programs: opts.Programs, Dir: opts.Dir})
	if err != nil {
		return err
	}
	defer p.Close()
	f := fair{opts: opts, Pipeline: p, small: small}
	for range 3 {
		if err := f.one(ctx, "alone"); err != nil {
			return err
		}
	}
	alone := f.took
	f.took = nil
	began := time.Now()
	id, err := p.ask(ctx, fhirmsg.ImportRequest{Supplier: "large", Dataset: "large", Sources: []fhirmsg.Source{{Path: large}}})
	if err != nil {
		return err
	}
	for {
		if err := f.one(ctx, "beside"); err != nil {
			return err
		}
		state, err := p.state(ctx, id)
		if err != nil {
			return err
		}
		if state.Ended() {
			f.took = f.took[:len(f.took)-1] // the last may have been alone
			break
		}
		timer := time.NewTimer(pauseBetween)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
	if err := p.await(ctx, id); err != nil {
		return err
	}
	f.printf("the large import: %d lines in %.1f s\n", opts.Lines, time.Since(began).Seconds())
	f.summary("alone", alone)
	f.summary("beside it", f.took)
	return nil
}

// fair is the measurement.
type fair struct {
	opts FairOptions
	*Pipeline
	small string
	took  []time.Duration
}

// one runs one import of the small supplier.
func (f *fair) one(ctx context.Context, how string) error {
	start := time.Now()
	id, err := f.ask(ctx, fhirmsg.ImportRequest{Supplier: "small", Dataset: "small", Sources: []fhirmsg.Source{{Path: f.small}}})
	if err != nil {
		return err
	}
	if err := f.await(ctx, id); err != nil {
		return err
	}
	f.took = append(f.took, time.Since(start))
	f.printf("%-6s  %d lines of the small supplier in %.2f s\n", how, f.opts.Small, time.Since(start).Seconds())
	return nil
}

func (f *fair) summary(how string, took []time.Duration) {
	if len(took) == 0 {
		f.printf("the small supplier %s: never, the large import was too short\n", how)
		return
	}
	sorted := slices.Sorted(slices.Values(took))
	f.printf("the small supplier %s: %d imports, median %.2f s, longest %.2f s\n", how, len(sorted), sorted[len(sorted)/2].Seconds(), sorted[len(sorted)-1].Seconds())
}

func (f *fair) printf(format string, args ...any) { _, _ = fmt.Fprintf(f.opts.Out, format, args...) }

// writeObservations writes resources of about 300 bytes.
func writeObservations(path string, n int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	for i := range n {
		_, _ = fmt.Fprintf(w, `{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},`+
			`"subject":{"reference":"Patient/p%d"},"effectiveDateTime":"2026-01-%02dT08:30:00Z","valueQuantity":{"value":%d,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"}}`+"\n",
			i, i/50, i%28+1, 50+i%80) // its error stays, and Flush returns it
	}
	if err := w.Flush(); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
