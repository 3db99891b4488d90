package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

func (a *app) retryCommand() *cobra.Command {
	var f endFlags
	var validation string
	cmd := &cobra.Command{
		Use:   "retry ID",
		Short: "Put the rejected lines of an import through again",
		Long: `Put the rejected lines of an import through again, as an import of its own, for instance
with --validation warn after --validation strict. They keep the version that they had, so
that nothing newer is overwritten. Repeating it changes nothing.

Exit codes are those of "stoker import".`,
		Example: `  stoker retry ID --validation warn`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := fhirmsg.ParseImportID(args[0])
			if err != nil {
				return lifecycle.Exit{Code: ExitUsage, Err: err}
			}
			v := fhirmsg.Validation(validation)
			if err := v.Check(); validation != "" && err != nil {
				return usage("--validation %w", err)
			}
			return a.follow(cmd.Context(), f, func(ctx context.Context, conn *connection) (fhirmsg.ImportID, error) {
				return conn.Retry(ctx, id, v)
			})
		},
	}
	cmd.Flags().StringVar(&validation, "validation", "", "strict, warn or off (default: as it was)")
	f.add(cmd)
	return cmd
}
