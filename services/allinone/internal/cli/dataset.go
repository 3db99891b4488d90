package cli

import "github.com/spf13/cobra"

func (a *app) datasetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataset",
		Short: "Work on a dataset as a whole",
	}
	cmd.AddCommand(a.datasetHistoryCommand())
	return cmd
}
