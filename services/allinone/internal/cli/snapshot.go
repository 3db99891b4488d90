package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func (a *app) snapshotCommand() *cobra.Command {
	var f endFlags
	var most string
	cmd := &cobra.Command{
		Use:   "snapshot ID --max-deletes N|SHARE|off",
		Short: "Let a snapshot delete what it lacks that was refused since it is too much",
		Long: `A snapshot that lacks more of its supplier's rows than --max-deletes allowed has deleted none of them. This
command lets it, up to another limit; what it lacks is looked for anew. It is refused when a later
snapshot of the supplier was applied.

Exit codes are those of "stoker import".`,
		Example: `  stoker status ID                       # what it lacks
  stoker snapshot ID --max-deletes 1234`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := fhirmsg.ParseImportID(args[0])
			if err != nil {
				return usage("%w", err)
			}
			if most == "" {
				return usage("--max-deletes: say how much it may delete: a number, a share such as 10%%, or off")
			}
			if _, err := fhirmsg.ParseDeleteLimit(most); err != nil {
				return usage("--max-deletes %w", err)
			}
			return a.follow(cmd.Context(), f, func(ctx context.Context, conn *connection) (fhirmsg.ImportID, error) {
				return id, conn.ConfirmSnapshot(ctx, id, most)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&most, "max-deletes", "", "how much it may delete: a number, a share of the supplier's rows, or off")
	return cmd
}

// printSnapshot prints what became of what a snapshot lacks.
func (a *app) printSnapshot(s ledger.Status) {
	if s.Snapshot == nil {
		return
	}
	n := *s.Snapshot
	what := "all types"
	if len(n.Types) > 0 {
		what = strings.Join(n.Types, ", ")
	}
	a.printf("\nsnapshot of %s, %s", what, n.State)
	switch n.State {
	case ledger.SnapshotApplied, ledger.SnapshotDeleting:
		a.printf(": %s of %s rows of the supplier that it lacks are deleted", thousands(n.Deleted), thousands(n.Before))
		if n.Settled > 0 {
			a.printf(", %s were newer by then, or cancelled or discarded", thousands(n.Settled))
		}
	case ledger.SnapshotPending, ledger.SnapshotRefused, ledger.SnapshotNotApplied:
	}
	a.printf("\n")
	if n.Reason != "" {
		a.printf("  %s\n", n.Reason)
	}
	if n.State == ledger.SnapshotNotApplied {
		a.printf("  nothing was deleted by it; mend the delivery, and deliver all of it again\n")
	}
	if n.State == ledger.SnapshotRefused {
		var types []string
		for _, name := range slices.Sorted(maps.Keys(n.ByType)) {
			types = append(types, fmt.Sprintf("%s %s", name, thousands(n.ByType[name])))
		}
		a.printf("  it lacks: %s\n", strings.Join(types, ", "))
	}
	if n.Newer > 0 {
		a.printf("  %s more rows were changed after it was taken, and stay\n", thousands(n.Newer))
	}
}

// printMended prints what became of an import's rejects since.
func (a *app) printMended(s ledger.Status) {
	if s.Mends != nil {
		a.printf("\nit mends import %s; stoker status %s shows which of its rejects are resolved\n", s.Mends, s.Mends)
	}
	if s.Mended != nil {
		a.printf("\nof its rejects %s are resolved and %s open, which stoker rejects %s --open shows\n", thousands(s.Mended.Resolved), thousands(s.Mended.Open), s.Import)
	}
	if s.Swept != nil {
		a.printf("\nits rejected lines and outcomes were removed on %s, as the policy of its supplier says; the figures stay\n", s.Swept.Local().Format("2006-01-02"))
	}
}
