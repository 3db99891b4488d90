package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

// Exit codes.
const (
	ExitFailed  = 1
	ExitUsage   = 2
	ExitRejects = 3 // complete, with rejects, under --strict
	ExitPaused  = 4

	ExitSnapshot = 5 // complete, but what the snapshot lacks was not deleted
)

// IO is what a command reads and writes.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string
}

func usage(format string, args ...any) error {
	return lifecycle.Exit{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Run runs the command line. The error chooses the exit code, see [lifecycle.Exit].
func Run(ctx context.Context, args []string, stdio IO) error {
	app := &app{io: stdio}
	root := app.root()
	root.SetArgs(args)
	root.SetIn(stdio.In)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	err := root.ExecuteContext(ctx)
	if exit := (lifecycle.Exit{}); err != nil && !errors.As(err, &exit) && strings.HasPrefix(err.Error(), "unknown command") {
		return usage("%w\nsee: stoker --help", err)
	}
	return err
}

// app is what all commands share.
type app struct {
	io       IO
	settings Settings
	log      zerolog.Logger
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "stoker",
		Short: "Get FHIR data into PostgreSQL: all of it, fast, and provably nothing lost",
		Long: `Stoker imports FHIR resources from files, folders, URLs or standard input into
PostgreSQL, one table per resource type, and accounts for every line.

Commands use a running "stoker up" where there is one (STOKER_URL, or the one that owns
the data folder); otherwise they start what they need themselves and stop it at the end.

  stoker validate data/            check it first; stores nothing
  stoker import data/              import every .ndjson and .json below data/
  stoker psql -c 'SELECT count(*) FROM fhir.patient'
  stoker status                    what was imported, and what became of it`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.load(cmd) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w\nsee: %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&a.settings.DataDir, "data-dir", "", "data folder (default .stoker, or STOKER_DATA_DIR)")
	root.AddCommand(
		a.upCommand(), a.importCommand(), a.statusCommand(), a.rejectsCommand(), a.reportCommand(), a.issuesCommand(), a.retryCommand(), a.cancelCommand(), a.discardCommand(), a.snapshotCommand(), a.traceCommand(),
		a.replayCommand(), a.datasetCommand(), a.supplierCommand(), a.syncCommand(), a.streamsCommand(), a.validateCommand(), a.databaseURLCommand(), a.psqlCommand(), a.generateCommand(), a.versionCommand(),
	)
	root.AddCommand(a.pauseCommand(), a.resumeCommand())
	for _, cmd := range root.Commands() {
		checkArguments(cmd)
	}
	return root
}

// load reads the settings from the environment; flags that were given win.
func (a *app) load(cmd *cobra.Command) error {
	dataDir := a.settings.DataDir
	settings, err := LoadSettings(a.io.Environ)
	if err != nil {
		return lifecycle.Exit{Code: ExitUsage, Err: err}
	}
	a.settings = settings
	if cmd.Flags().Changed("data-dir") {
		a.settings.DataDir = dataDir
	}
	a.log, err = telemetry.NewLogger(a.io.Err, settings.LogLevel, settings.LogFormat, "stoker")
	if err != nil {
		return lifecycle.Exit{Code: ExitUsage, Err: err}
	}
	return nil
}

// LoadSettings reads and checks the settings.
func LoadSettings(environ []string) (Settings, error) {
	var s Settings
	if err := config.CheckUnknown(environ, "STOKER_", &s); err != nil {
		return s, err
	}
	if err := config.Load(&s, environ); err != nil {
		return s, err
	}
	return s, nil
}

func (a *app) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.io.Out, format, args...) // a closed pipe ends the program soon enough
}

// printAll prints what is written, and notes where that is nothing.
func (a *app) printAll(write func(io.Writer) error, nothing string, args ...any) error {
	counted := &counter{w: a.io.Out}
	err := write(counted)
	if err == nil && counted.n == 0 {
		a.note(nothing, args...)
	}
	return err
}

// counter counts the bytes that go through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// note writes to standard error what is not part of a command's result.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.io.Err, strings.TrimSuffix(format, "\n")+"\n", args...)
}
