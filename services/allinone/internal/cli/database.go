package cli

import (
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/allinone/internal/stack"
)

func (a *app) databaseURLCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "database-url",
		Short: "Print the URL of the database of a running stoker up",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.settings.DatabaseURL != "" {
				a.printf("%s\n", a.settings.DatabaseURL.Reveal())
				return nil
			}
			note, ok := stack.Running(a.settings.DataDir)
			if !ok {
				return errors.New("the private PostgreSQL runs while stoker up runs; start that, or use: stoker psql")
			}
			a.printf("%s\n", note.DatabaseURL)
			return nil
		},
	}
}

func (a *app) psqlCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "psql [ARGUMENT …]",
		Short:              "Run psql on the database, with psql's own arguments",
		Example:            "  stoker psql -c 'SELECT count(*) FROM fhir.patient'",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
				return cmd.Help()
			}
			program, err := exec.LookPath("psql")
			if err != nil {
				return errors.New("psql is not installed; on Debian: apt-get install postgresql-client")
			}
			conn, err := a.connect(cmd.Context(), false)
			if err != nil {
				return err
			}
			defer conn.close(cmd.Context())
			if conn.databaseURL == "" {
				return errors.New("the database of a stoker elsewhere is not known here; set DATABASE_URL")
			}
			psql := exec.Command(program, append([]string{conn.databaseURL}, args...)...) // not ended by Ctrl-C, which is psql's own
			psql.Stdin, psql.Stdout, psql.Stderr = a.io.In, a.io.Out, a.io.Err
			if psql.Env = a.io.Environ; psql.Env == nil {
				psql.Env = os.Environ()
			}
			err = psql.Run()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return lifecycle.Exit{Code: max(exit.ExitCode(), ExitFailed)}
			}
			return err
		},
	}
}
