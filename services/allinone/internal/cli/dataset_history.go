package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func (a *app) datasetHistoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history NAME on|off",
		Short: "Keep every version of a dataset's resources, or keep no more of them",
		Long: `Keep every version of a dataset's resources, in a table beside each type's
(fhir.patient_history), so that imports can be discarded whatever they replaced. It may be
turned on before the first import. It begins with a copy of what is there, which takes as
much space again, and for whose time what comes for the dataset stays in the queue.

Turned off, the tables stay as they are, and nothing is added. They may be dropped then.`,
		Example: "  stoker dataset history fhir on",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, on := args[0], args[1] == "on"
			if err := fhirmsg.CheckDataset(name); err != nil {
				return usage("%w", err)
			}
			if !on && args[1] != "off" {
				return usage("%q: want on or off", args[1])
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				changed, err := conn.SetHistory(ctx, name, on)
				if err != nil {
					return err
				}
				already := ""
				if !changed {
					already = " already"
				}
				a.printf("history of dataset %s is %s%s\n", name, args[1], already)
				return nil
			})
		},
	}
}
