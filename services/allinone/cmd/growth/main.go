// Command growth measures whether rates fall as tables grow, and writes out/growth.json and a
// plot; see `make bench-growth`.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/allinone/internal/growth"
)

func main() { os.Exit(lifecycle.Main("growth", os.Stderr, run)) }

func run(ctx context.Context) error {
	opts := growth.Options{Log: os.Stderr, Settings: map[string]string{}}
	flag.StringVar(&opts.Programs, "programs", "out/bin", "folder of nats-server, fetcher, parser and writer")
	flag.Int64Var(&opts.Resources, "resources", 10_000_000, "resources in all")
	flag.Int64Var(&opts.Step, "step", 1_000_000, "resources of one import")
	dir := flag.String("dir", "", "folder for a temporary folder with the databases; empty: the system's")
	flag.Func("set", "setting of PostgreSQL, as name=value; may be repeated", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("no = in %q", s)
		}
		opts.Settings[name] = value
		return nil
	})
	from := flag.String("from", "", "file of figures that were measured before, to print, plot and document them again")
	out := flag.String("out", "out/growth.json", "file for the figures")
	plot := flag.String("plot", "out/growth.svg", "file for the plot")
	docs := flag.String("docs", "", "page to fill figures in, such as docs/capacity.md; empty: none")
	least := flag.Float64("least", 0.85, "fail where the last step's rate is below this share of the second's")
	flag.Parse()

	report, err := load(*from)
	if *from == "" {
		report, err = measure(ctx, opts, *dir, *out)
	}
	if err != nil {
		return err
	}
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	if err := write(*plot, report.SVG(*least)); err != nil {
		return err
	}
	if *docs != "" {
		if err := document(report, *docs, *plot); err != nil {
			return err
		}
	}
	if ratio := report.Ratio(); ratio < *least {
		return fmt.Errorf("the rate fell to %.2f of the second step's, below %.2f", ratio, *least)
	}
	return nil
}

// measure runs in a temporary folder and writes the figures to a file.
func measure(ctx context.Context, opts growth.Options, parent, out string) (report *growth.Report, err error) {
	if opts.Dir, err = os.MkdirTemp(parent, "stoker-growth-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(opts.Dir)                      //nolint:errcheck // a temporary folder
	if err := os.Chmod(opts.Dir, 0o755); err != nil { // PostgreSQL runs under another user when this runs as root
		return nil, err
	}
	if report, err = growth.Run(ctx, opts); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return nil, err
	}
	return report, write(out, append(b, '\n'))
}

func load(path string) (*growth.Report, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	report := new(growth.Report)
	if err := json.Unmarshal(b, report); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(report.Steps) < 2 {
		return nil, fmt.Errorf("read %s: it has fewer than two steps", path)
	}
	return report, nil
}

func document(report *growth.Report, page, plot string) error {
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	link, err := filepath.Rel(filepath.Dir(page), plot)
	if err != nil {
		return err
	}
	if b, err = report.Document(b, filepath.ToSlash(link)); err != nil {
		return fmt.Errorf("fill in %s: %w", page, err)
	}
	return write(page, b)
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
