package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func (a *app) reportCommand() *cobra.Command {
	var asJSON bool
	var against string
	cmd := &cobra.Command{
		Use:   "report ID",
		Short: "Compare a delivery with the one before it",
		Long: `Compare a delivery with the newest complete one before it, of the same supplier and dataset: how much
came, what became of it, which elements resources have, of when they are, and what was found wrong. What changed
most comes first. docs/reports.md explains the figures.`,
		Example: `  stoker report ID --against OTHER`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var other fhirmsg.ImportID
			if against != "" {
				var err error
				if other, err = fhirmsg.ParseImportID(against); err != nil {
					return usage("--against: %w", err)
				}
			}
			return a.withImport(cmd.Context(), args[0], func(ctx context.Context, conn *connection, id fhirmsg.ImportID) error {
				c, err := conn.Compare(ctx, id, other)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(c)
				} else {
					a.printComparison(c)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&against, "against", "", "import to compare with (default: the newest complete one before)")
	return cmd
}

// printComparison prints what changed, and then all figures.
func (a *app) printComparison(c ledger.Comparison) {
	a.printf("import %s  %s, supplier %s, dataset %s\n", c.Import, c.State, c.Supplier, c.Dataset)
	before := ledger.Delivered{}
	if c.Before == nil {
		a.printf("there is no earlier one to compare with\n")
	} else {
		before = *c.Before
		a.printf("beside import %s of %s\n", before.Import, before.Issued.Local().Format("2006-01-02 15:04:05"))
	}
	if c.Before != nil && len(c.Findings) == 0 {
		a.printf("\nnothing changed that is worth telling\n")
	}
	if len(c.Findings) > 0 {
		a.printf("\n")
	}
	for _, f := range c.Findings {
		a.printf("! %s\n", f.Text)
	}
	a.printf("\n")
	t := a.table()
	row(t, "", "NOW", "BEFORE")
	for _, figure := range []struct {
		name        string
		now, before int64
	}{
		{"files", c.Now.Files, before.Files}, {"bytes", c.Now.Bytes, before.Bytes}, {"lines", c.Now.Lines, before.Lines},
		{"resources", c.Now.Resources, before.Resources}, {"inserted", c.Now.Outcomes.Inserted, before.Outcomes.Inserted},
		{"updated", c.Now.Outcomes.Updated, before.Outcomes.Updated}, {"unchanged", c.Now.Outcomes.Unchanged, before.Outcomes.Unchanged},
		{"deleted", c.Now.Outcomes.Deleted, before.Outcomes.Deleted}, {"rejected", c.Now.Rejected, before.Rejected},
	} {
		row(t, figure.name, thousands(figure.now), thousands(figure.before))
	}
	_ = t.Flush()
	for _, of := range c.Types {
		a.printTypeComparison(of)
	}
	a.printReasons(c)
}

func (a *app) printTypeComparison(c ledger.TypeComparison) {
	a.printf("\n")
	t := a.table()
	row(t, c.Type, "NOW", "BEFORE")
	row(t, "resources", thousands(c.Now.Resources), thousands(c.Before.Resources))
	if c.Now.First+c.Before.First != "" {
		row(t, "from", c.Now.First, c.Before.First)
		row(t, "to", c.Now.Last, c.Before.Last)
	}
	all := 0
	for _, e := range c.Elements {
		if (e.Rate == 1 || c.Now.Profiled == 0) && (e.Last == 1 || c.Before.Profiled == 0) {
			all++
			continue
		}
		row(t, "."+e.Element, shareOf(c.Now, e.Rate), shareOf(c.Before, e.Last))
	}
	if all > 0 {
		now, before := shareOf(c.Now, 1), ""
		if now == "" {
			before = shareOf(c.Before, 1)
		}
		row(t, fmt.Sprintf("%d others", all), now, before)
	}
	_ = t.Flush()
}

func (a *app) printReasons(c ledger.Comparison) {
	if len(c.Rejects) == 0 {
		return
	}
	a.printf("\n")
	t := a.table()
	row(t, "NOW", "BEFORE", "SEVERITY", "CODE", "WHERE")
	for _, r := range c.Rejects {
		where := r.Expression
		if where == "" {
			where = "(line)"
		}
		row(t, thousands(r.Now), thousands(r.Before), r.Severity, r.Code, where)
	}
	_ = t.Flush()
}

// shareOf is a share of the resources that were looked into, and "" where none were.
func shareOf(f ledger.TypeFigures, rate float64) string {
	if f.Profiled == 0 {
		return ""
	}
	return share(rate)
}

// share is a share of 1 as a percentage.
func share(of float64) string {
	return fmt.Sprintf("%s %%", strconv.FormatFloat(of*100, 'f', 1, 64))
}
