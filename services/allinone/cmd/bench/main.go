// Command bench measures the pipeline and writes out/bench.json; see `make bench`. With -fair it measures a small
// supplier beside a large one; see `make bench-fair`.
package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/allinone/internal/bench"
)

func main() { os.Exit(lifecycle.Main("bench", os.Stderr, run)) }

func run(ctx context.Context) error {
	opts := bench.Options{Log: os.Stderr}
	flag.StringVar(&opts.Programs, "programs", "out/bin", "folder of nats-server, fetcher, parser and writer")
	flag.IntVar(&opts.Patients, "patients", 600, "patients to generate, about 300 resources each")
	flag.IntVar(&opts.Rounds, "rounds", 6, "rounds; the first is discarded")
	out := flag.String("out", "out/bench.json", "file for the figures")
	lines := flag.Int("fair", 0, "instead: lines of a large supplier, beside which one of 100 lines is measured")
	flag.Parse()
	var err error
	if opts.Dir, err = os.MkdirTemp("", "stoker-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(opts.Dir)                      //nolint:errcheck // a temporary folder
	if err := os.Chmod(opts.Dir, 0o755); err != nil { // PostgreSQL runs under another user when this runs as root
		return err
	}
	if *lines > 0 {
		return bench.Fair(ctx, bench.FairOptions{Programs: opts.Programs, Dir: opts.Dir, Lines: *lines, Small: 100, Out: os.Stdout})
	}
	report, err := bench.Run(ctx, opts)
	if err != nil {
		return err
	}
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	b, err := report.JSON()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(*out, append(b, '\n'), 0o644)
}
