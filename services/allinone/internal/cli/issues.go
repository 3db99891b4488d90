package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func (a *app) issuesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "issues ID",
		Short: "Print what was found wrong in an import, rejected or stored all the same",
		Long: `Print what was found wrong in an import, one FHIR OperationOutcome a line for each
resource or line: what was rejected, and what was stored all the same. Of a mistake that is in
millions of resources not every one is kept; "stoker status ID" has the counts of all.`,
		Example: `  stoker issues ID | jq -r '.issue[].diagnostics'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withImport(cmd.Context(), args[0], func(ctx context.Context, conn *connection, id fhirmsg.ImportID) error {
				return a.printAll(func(w io.Writer) error { return conn.Issues(ctx, id, w) }, "nothing was found wrong in import %s", id)
			})
		},
	}
}

// maxWhat is how many characters of a message a table shows.
const maxWhat = 90

// beginning is the first n characters of s.
func beginning(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

// printIssues prints how often what was found.
func (a *app) printIssues(s ledger.Status) {
	if len(s.IssueKinds) == 0 {
		return
	}
	a.printf("\n")
	t := a.table()
	row(t, "COUNT", "SEVERITY", "CODE", "WHERE", "WHAT", "FIRST AT")
	for _, k := range s.IssueKinds {
		where := k.Expression
		if where == "" {
			where = "(line)"
		}
		row(t, thousands(k.Count), k.Severity, k.Code, where, beginning(k.Diagnostics, maxWhat), fmt.Sprintf("%s:%d", k.FirstFile, k.FirstLine))
	}
	_ = t.Flush()
	if s.MoreIssueKinds > 0 {
		a.printf("… and %s more kinds of issues\n", thousands(s.MoreIssueKinds))
	}
}
