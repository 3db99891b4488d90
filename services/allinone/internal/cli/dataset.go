package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

func (a *app) datasetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dataset",
		Short: "List, swap and drop datasets, and keep their history",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.datasetListCommand(), a.datasetSwapCommand(), a.datasetDropCommand(), a.datasetHistoryCommand())
	return cmd
}

func (a *app) datasetListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show all datasets",
		Long: `Show all datasets, with the imports into each, and how many of these are open (have not ended). ROWS is what
PostgreSQL estimates, and 0 before it has first looked at a table; SELECT count(*) is exact.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				list, err := conn.Datasets(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(list)
					return nil
				}
				return a.printDatasets(list)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printDatasets(list []operate.Dataset) error {
	if len(list) == 0 {
		a.printf("no datasets yet; the first import makes one: stoker import PATH\n")
		return nil
	}
	t := a.table()
	row(t, "DATASET", "MODE", "FHIR", "TABLES", "ROWS (ABOUT)", "SIZE", "IMPORTS", "OPEN IMPORTS", "REPLAYS INTO", "OPEN REPLAYS")
	for _, d := range list {
		row(t, d.Name, d.Mode, d.FHIRVersion, thousands(d.Tables), thousands(d.Rows), megabytes(uint64(max(d.Bytes, 0))),
			thousands(d.Imports), thousands(d.OpenImports), thousands(d.Replays), thousands(d.OpenReplays))
	}
	return t.Flush()
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func (a *app) datasetSwapCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "swap A B",
		Short: "Put dataset B, which was built from A, in A's place, and A in B's",
		Long: `Put dataset B in A's place, and A in B's. B was built from the whole of A, by
"stoker replay --dataset A --into B". What came to A since is replayed into B first, while
imports may go on; then both change names in one transaction, for which batches wait in
the queue a moment. Queries do not wait, and see either the one or the other.

Swapping again undoes it. What is not Stoker's stays with the tables: rights, indexes, views and
rows edited by hand. Give B the rights and indexes of A before.`,
		Example: `  stoker replay --dataset fhir --into fhir-new
  stoker dataset swap fhir fhir-new
  stoker dataset drop fhir-new`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runSwap(cmd.Context(), args[0], args[1]) },
	}
}

// maxRounds is how many replays a swap waits for before it gives up catching up.
const maxRounds = 20

func (a *app) runSwap(ctx context.Context, first, second string) error {
	conn, err := a.connect(ctx, true)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	for range maxRounds {
		swapped, err := conn.Swap(ctx, first, second)
		if err != nil {
			return err
		}
		if swapped.Swapped {
			a.printf("%s has the rows of %s now, and %s those that %s had\n", first, second, second, first)
			return nil
		}
		a.note("replaying into %s what came to %s since", second, first)
		r, err := a.watchReplay(ctx, conn, *swapped.Replay, true)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			a.note("nothing was swapped")
			return a.leaveReplay(conn, r.ID)
		}
		if r.State != ledger.ReplayComplete {
			a.printReplay(r)
			return lifecycle.Exit{Code: ExitFailed, Err: errors.New("nothing was swapped")}
		}
	}
	return fmt.Errorf("nothing was swapped: %s is filled faster than %s catches up; try again when imports are slower", first, second)
}

func (a *app) datasetDropCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "drop NAME",
		Short: "Drop a dataset with all its rows",
		Long: `Drop a dataset with all its rows. It is refused while an import or a replay of it is open, or
while something that is not Stoker's, such as a view, needs its tables. The account of its
imports stays.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				if !yes && !a.confirm(args[0]) {
					return usage("not dropped; to drop it type its name, or give --yes")
				}
				if err := conn.Drop(ctx, args[0]); err != nil {
					return err
				}
				a.printf("dropped %s\n", args[0])
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirm asks for a name to be typed.
func (a *app) confirm(name string) bool {
	_, _ = fmt.Fprintf(a.io.Err, "All rows of dataset %s will be gone. Type its name to drop it: ", name)
	answer, _ := bufio.NewReader(a.io.In).ReadString('\n') // nothing typed is no
	return strings.TrimSpace(answer) == name
}
