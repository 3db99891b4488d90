package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/writer"
)

func (a *app) discardCommand() *cobra.Command {
	var file string
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "discard ID",
		Short: "Undo an import, or one of its files, as if it had never come",
		Long: `Undo an import that has ended, or one of its files, as if it had never come. What of it comes
late or again, as by a replay, counts as discarded and does nothing.

Without --yes nothing is changed: it says what would be done.

Where the dataset keeps a history, and did when the import was accepted, what the import
replaced or deleted is restored:
  stoker dataset history NAME on
Without a history, only an import can be discarded of which every resource was new and was
not touched since; any other is refused, with the number of resources that stand against it.

What comes for the dataset stays in the queue until it is done.`,
		Example: `  stoker discard ID
  stoker discard ID --yes
  stoker discard ID --file Patient.ndjson --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("file") && file == "" {
				return usage("--file: want the name or the index of a file, see: stoker status ID")
			}
			return a.withImport(cmd.Context(), args[0], func(ctx context.Context, conn *connection, id fhirmsg.ImportID) error {
				d, err := conn.Discard(ctx, id, file, !yes)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(d)
				} else {
					a.printDiscarded(d, yes)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "only this file: its name, or its index in the import, from 0")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printDiscarded(d writer.Discarded, done bool) {
	what := "import " + d.Import.String()
	if d.Name != "" {
		what = "file " + d.Name + " of " + what
	}
	if done {
		a.printf("discarded %s: ", what)
	} else {
		a.printf("would discard %s: ", what)
	}
	a.printf("%s resources removed, %s restored to what was there before\n", thousands(d.Removed), thousands(d.Restored))
	if d.Edited > 0 {
		a.printf("%s of them were edited by hand since; these edits go too\n", thousands(d.Edited))
	}
	for _, id := range d.Retries {
		a.printf("its rejects were put through again by import %s, which is not discarded with it\n", id)
	}
	if !done {
		a.printf("nothing was changed; to do it add --yes\n")
	}
}
