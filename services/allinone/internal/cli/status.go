package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [ID]",
		Short: "Show an import with its account, or the newest imports",
		Long: `Show an import with its account, or the newest imports.

FILE lists what was read: "waiting" is not begun, "open" is being read, "closed" is read to its end, "failed" has its
reason behind it. Below, each line and each resource is counted once:

  control    lines that are no resources, such as headers of files by organizeOutputBy
  rejected   cannot be taken; stoker rejects ID says why
  ignored    in a Bundle, and not to be stored
  missing    read, and not accounted for yet; 0 at the end
  inserted   new
  updated    newer than what was there
  unchanged  equal to what was there
  stale      older than what is there, which stays
  skipped    incomplete (SUBSETTED), and the whole resource is there
  other      discarded or cancelled

The transaction time is when the supplier's server made what it delivered. Of a pull it is when the import was accepted.
What changed later is for the next import (--since).`,
		Example: `  stoker status
  stoker status ID
  stoker status ID --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				if len(args) == 0 {
					return a.showList(ctx, conn, asJSON)
				}
				id, err := fhirmsg.ParseImportID(args[0])
				if err != nil {
					return lifecycle.Exit{Code: ExitUsage, Err: err}
				}
				status, err := conn.Status(ctx, id)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(status)
				} else {
					a.printStatus(status)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// withConnection runs f with a process that answers and does not work on imports.
func (a *app) withConnection(ctx context.Context, f func(context.Context, *connection) error) error {
	conn, err := a.connect(ctx, false)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	return f(ctx, conn)
}

func (a *app) showList(ctx context.Context, conn *connection, asJSON bool) error {
	list, err := conn.List(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		a.printJSON(list)
		return nil
	}
	if len(list) == 0 {
		a.printf("no imports yet; begin with: stoker import PATH\n")
		return nil
	}
	t := a.table()
	row(t, "IMPORT", "ACCEPTED", "SUPPLIER", "DATASET", "STATE", "RESOURCES", "REJECTED", "MISSING", "")
	for _, s := range list {
		row(t, s.Import.String(), s.Issued.Local().Format("2006-01-02 15:04:05"), s.Supplier, s.Dataset, string(s.State),
			thousands(s.Seen), thousands(s.Rejected), thousands(s.Missing), s.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return a.showPressure(ctx, conn)
}

func (a *app) table() *tabwriter.Writer { return tabwriter.NewWriter(a.io.Out, 0, 0, 2, ' ', 0) }

func row(w io.Writer, cells ...string) {
	for _, c := range cells {
		_, _ = fmt.Fprint(w, c, "\t")
	}
	_, _ = fmt.Fprintln(w)
}

// printStatus prints an import's account.
func (a *app) printStatus(s ledger.Status) {
	if s.State.Ended() {
		a.printf("import %s  %s in %.1f s\n", s.Import, s.State, s.Seconds)
	} else {
		a.printf("import %s  %s, accepted %.1f s ago\n", s.Import, s.State, s.Seconds)
	}
	if s.Reason != "" {
		a.printf("reason: %s\n", s.Reason)
	}
	if s.Waiting != nil {
		a.printf("%s\n", describeWaiting(*s.Waiting))
	}
	a.printf("supplier %s, dataset %s, mode %s, validation %s\n", s.Supplier, s.Dataset, s.Mode, s.Validation)
	if s.RetryOf != nil {
		a.printf("retry of the rejects of import %s\n", s.RetryOf)
	}
	a.printf("\n")
	a.printFiles(s)
	l, r := s.Lines, s.Resources
	t := a.table()
	row(t, "lines", thousands(l.Read), "=", fmt.Sprintf("%s blank + %s control + %s rejected + %s resources + %s Bundles%s",
		thousands(l.Blank), thousands(l.Control), thousands(l.Rejected), thousands(l.Plain), thousands(l.Bundles), unparsed(l)))
	row(t, "resources", thousands(r.Seen), "=", fmt.Sprintf("%s rejected + %s ignored + %s stored or settled + %s missing",
		thousands(r.Rejected), thousands(r.Ignored), thousands(r.Total()-r.Rejected), thousands(s.Missing-(l.Read-l.Parsed))))
	_ = t.Flush()
	a.printf("\n")
	t = a.table()
	row(t, "TYPE", "INSERTED", "UPDATED", "UNCHANGED", "STALE", "DELETED", "SKIPPED", "REJECTED", "OTHER")
	for _, name := range slices.Sorted(maps.Keys(s.ByType)) {
		countsRow(t, name, s.ByType[name])
	}
	countsRow(t, "all", r.Counts)
	_ = t.Flush()
	a.printIssues(s)
	a.printRemarks(s)
}

func unparsed(l ledger.Lines) string {
	if l.Read == l.Parsed {
		return ""
	}
	return fmt.Sprintf(" + %s not parsed yet", thousands(l.Read-l.Parsed))
}

func countsRow(w io.Writer, name string, c ledger.Counts) {
	row(w, name, thousands(c.Inserted), thousands(c.Updated), thousands(c.Unchanged), thousands(c.Stale),
		thousands(c.Deleted), thousands(c.Skipped), thousands(c.Rejected), thousands(c.Discarded+c.Cancelled))
}

// printRemarks prints what deserves a second look.
func (a *app) printRemarks(s ledger.Status) {
	if n := s.Resources.Clamped; n > 0 {
		a.printf("\ndated in the future, and counted as changed when the import was accepted: %s\n", plural(n, "resource"))
	}
	if n := s.Resources.Conflicts; n > 0 {
		a.printf("\n%s resources have the time of another version but not its content; the later import won\n", thousands(n))
	}
	if n := s.Resources.Foreign; n > 0 {
		a.printf("\n%s resources took the place of what another supplier had delivered under the same ids (see docs/suppliers.md)\n", thousands(n))
	}
	if s.Divergent > 0 {
		a.printf("\n%s statements contradict earlier ones about the same data (two versions of a parser?)\n", thousands(s.Divergent))
	}
	a.printManifestRemarks(s)
	a.printSnapshot(s)
	for _, n := range s.Notes {
		a.printf("\n%s\n", n)
	}
	if t := s.TransactionTime; t != nil && s.State == ledger.StateComplete {
		a.printf("\ntransaction time %s; what changed since is for the next import\n", t.UTC().Format(time.RFC3339Nano))
	}
	if n := s.Lines.Rejected + s.Resources.Rejected; n > 0 && s.Swept == nil {
		a.printf("\n%s rejected; see why with: stoker rejects %s\n", thousands(n), s.Import)
		if s.Validation == fhirmsg.ValidationStrict && s.State.Ended() {
			a.printf("to store what is not valid all the same: stoker retry %s --validation warn\n", s.Import)
		}
	}
	if n := s.Resources.Issues; n > 0 {
		a.printf("\n%s issues in what was stored all the same; see them with: stoker issues %s\n", thousands(n), s.Import)
	}
	for _, id := range s.Retries {
		a.printf("\nits rejects were put through again by import %s\n", id)
	}
	a.printMended(s)
}
