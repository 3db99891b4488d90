package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/fetcher"
)

// validateFlags are the flags of `stoker validate`.
type validateFlags struct {
	json, summary, noSource bool
	maxIssues               int
}

func (a *app) validateCommand() *cobra.Command {
	var f validateFlags
	cmd := &cobra.Command{
		Use:   "validate FILE|DIR|- …",
		Short: "Check FHIR resources before they are sent; stores nothing",
		Long: `Check FHIR resources against the definitions of FHIR R4, exactly as an import with
--validation strict would. Nothing is stored, and neither database nor data folder is used.
Files, folders, URLs and standard input ("-") are read as stoker import reads them.

Each issue is shown with its file, line and column (in characters, from 1), what was expected,
where in the resource (a FHIRPath expression), its issue type, and the source with a caret
under the place. At the end come the counts by kind of issue. The source may hold patients'
data: --no-source leaves it out, and --json never has it.

Exit codes: 0 no errors (warnings allowed), 1 errors, or a file that cannot be read to its
end, 2 wrong usage.`,
		Example: `  stoker validate export/
  stoker validate --summary Patient.ndjson.gz
  zcat dump.gz | stoker validate --json - > report.json`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runValidate(cmd.Context(), f, args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print one JSON object at the end, and no progress")
	flags.BoolVar(&f.summary, "summary", false, "show no single issues, only the counts")
	flags.BoolVar(&f.noSource, "no-source", false, "do not show the source at the place of an issue")
	flags.IntVar(&f.maxIssues, "max-issues", 100, "issues to show one by one; all are counted")
	return cmd
}

func (a *app) runValidate(ctx context.Context, f validateFlags, args []string) error {
	switch {
	case len(args) == 0:
		return usage("name at least one file, folder, URL or - for standard input\nsee: stoker validate --help")
	case f.maxIssues < 0:
		return usage("--max-issues %d: must not be negative", f.maxIssues)
	case f.summary:
		f.maxIssues = 0
	}
	report := newReport(f.maxIssues)
	inputs, err := a.inputs(ctx, args, report)
	if err != nil {
		return err
	}
	screen := a.newScreen(f, inputs)
	v := validation{inputs: inputs, workers: runtime.GOMAXPROCS(0), maxIssues: f.maxIssues, width: screen.width}
	started := time.Now()
	err = v.run(ctx, func(r *result) { screen.show(report, report.add(inputs[r.file].file, r)) })
	screen.close()
	if err != nil && ctx.Err() == nil {
		return err
	}
	report.finish(time.Since(started), err != nil)
	if f.json {
		a.printJSON(report)
	} else {
		a.printReport(report)
	}
	switch {
	case report.Interrupted:
		return ctx.Err()
	case !report.Valid:
		return lifecycle.Exit{Code: ExitFailed}
	default:
		return nil
	}
}

// input is a file to check, or why there is none.
type input struct {
	file fetcher.File
	err  error
}

// inputs lists what the arguments name. What a folder has that is not taken is in the report.
func (a *app) inputs(ctx context.Context, args []string, report *report) ([]input, error) {
	var inputs []input
	stdin := false
	for _, arg := range args {
		source, folder := fhirmsg.Source{Path: arg}, false
		switch {
		case arg == "-" && stdin:
			return nil, usage("standard input can be named once")
		case arg == "-":
			stdin = true
			inputs = append(inputs, input{file: fetcher.Stream("<stdin>", a.io.In)})
			continue
		case strings.HasPrefix(arg, "http://"), strings.HasPrefix(arg, "https://"):
			source = fhirmsg.Source{URL: arg}
		default:
			info, err := os.Stat(arg)
			if err != nil {
				return nil, usage("%w", err)
			}
			folder = info.IsDir()
		}
		files, skipped, err := fetcher.List(ctx, source)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && len(files) == 0 {
			err = errors.New("nothing to check: it has no .ndjson, .jsonl or .json, plain or as .gz or .zst")
		}
		if err != nil {
			inputs = append(inputs, input{file: fetcher.File{Name: fetcher.SourceName(source), Size: -1}, err: err})
		}
		for _, f := range files {
			if folder {
				f.Name = filepath.ToSlash(filepath.Join(arg, f.Name))
			}
			inputs = append(inputs, input{file: f})
		}
		for _, s := range skipped {
			report.Skipped = append(report.Skipped, skippedFile{Name: filepath.ToSlash(filepath.Join(arg, s.Name)), Reason: s.Reason})
		}
	}
	return inputs, nil
}
