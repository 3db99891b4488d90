package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

func (a *app) rejectsCommand() *cobra.Command {
	var lines, open bool
	cmd := &cobra.Command{
		Use:   "rejects ID",
		Short: "Print what an import could not take, and why",
		Long: `Print what an import could not take, one FHIR OperationOutcome a line, each with file,
line and reason. With --lines, print the rejected lines as they came, to be mended and
imported again.`,
		Example: `  stoker rejects ID | jq -r '.issue[].diagnostics'
  stoker rejects ID --lines > mend.ndjson`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withImport(cmd.Context(), args[0], func(ctx context.Context, conn *connection, id fhirmsg.ImportID) error {
				what := "nothing of import %s was rejected"
				if open {
					what = "no rejects of import %s are open"
				}
				return a.printAll(func(w io.Writer) error { return conn.Rejects(ctx, id, lines, open, w) }, what, id)
			})
		},
	}
	cmd.Flags().BoolVar(&lines, "lines", false, "print the lines as they came")
	cmd.Flags().BoolVar(&open, "open", false, "leave out those that were resolved by a retry or by an import that mends this one")
	return cmd
}

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "End an import: fetch no more of it and store nothing that is still queued",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withImport(cmd.Context(), args[0], func(ctx context.Context, conn *connection, id fhirmsg.ImportID) error {
				if err := conn.Cancel(ctx, id); err != nil {
					return err
				}
				a.printf("cancelled %s\n", id)
				return nil
			})
		},
	}
}

func (a *app) withImport(ctx context.Context, arg string, f func(context.Context, *connection, fhirmsg.ImportID) error) error {
	id, err := fhirmsg.ParseImportID(arg)
	if err != nil {
		return lifecycle.Exit{Code: ExitUsage, Err: err}
	}
	return a.withConnection(ctx, func(ctx context.Context, conn *connection) error { return f(ctx, conn, id) })
}
