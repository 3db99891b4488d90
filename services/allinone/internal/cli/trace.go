package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/writer"
)

func (a *app) traceCommand() *cobra.Command {
	var dataset string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace Type/id",
		Short: "Show every delivery of a resource, and what is stored of it now",
		Long: `Show every delivery of a resource with import, file, line and outcome, and what is stored
now. Deliveries are read from the queue, so they reach back as far as the queue does.`,
		Example: "  stoker trace Patient/123",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			typ, id, ok := strings.Cut(args[0], "/")
			if !ok || typ == "" || id == "" {
				return usage("%q: want Type/id, such as Patient/123", args[0])
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				t, err := conn.Trace(ctx, dataset, typ, id)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(t)
					return nil
				}
				return a.printTrace(t)
			})
		},
	}
	cmd.Flags().StringVar(&dataset, "dataset", fhirmsg.DefaultDataset, "dataset to look in")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printTrace(t api.Trace) error {
	if len(t.Deliveries) == 0 {
		a.printf("no delivery of %s to dataset %s is known\n", t.Resource, t.Dataset)
	} else {
		table := a.table()
		row(table, "IMPORT", "ACCEPTED", "FILE", "LINE", "ENTRY", "OUTCOME")
		for _, d := range t.Deliveries {
			row(table, d.Import.String(), d.Issued.Local().Format("2006-01-02 15:04:05.000000"), d.File, fmt.Sprint(d.Line), entry(d.Entry), d.Outcome)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if t.Since != nil {
		a.printf("(the queue reaches back to %s)\n", t.Since.Local().Format("2006-01-02 15:04:05"))
	}
	if err := a.printHistory(t.History); err != nil {
		return err
	}
	s := t.Stored
	switch {
	case s == nil:
		a.printf("stored: nothing\n")
	case s.Deleted:
		a.printf("stored: deleted, version (%s, %s), line %d of file %d of import %s\n", s.Stamp, s.Issued, s.Line, s.File, orHand(s.Import))
	default:
		a.printf("stored: version (%s, %s), line %d of file %d of import %s\n%s\n", s.Stamp, s.Issued, s.Line, s.File, orHand(s.Import), s.Resource)
	}
	return nil
}

// printHistory prints the versions that the dataset keeps.
func (a *app) printHistory(history []writer.Stored) error {
	if len(history) == 0 {
		return nil
	}
	a.printf("history:\n")
	table := a.table()
	row(table, "STAMP", "ISSUED", "IMPORT", "FILE", "LINE", "ENTRY", "")
	for _, v := range history {
		what := ""
		if v.Deleted {
			what = "deleted"
		}
		row(table, v.Stamp, v.Issued, orHand(v.Import), fmt.Sprint(v.File), fmt.Sprint(v.Line), entry(v.Entry), what)
	}
	return table.Flush()
}

func entry(n int32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(max(n, -n))
}

func orHand(s *string) string {
	if s == nil {
		return "none (by hand)"
	}
	return *s
}
