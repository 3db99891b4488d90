package conformance

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// shownWrong is how many wrong cases of a suite are printed.
const shownWrong = 400

// Print writes the table of results, and below it what is argued or wrong. With docs, the
// documents that were made here are printed too.
func Print(w io.Writer, results []Result, docs bool) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "suite\tcases\tagreed\targued\twrong\t") //nolint:errcheck // into memory
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", r.Suite, r.Cases(), r.Agreed, Count(r.Argued), Count(r.Wrong)) //nolint:errcheck // into memory
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		for _, note := range r.Notes {
			fmt.Fprintf(&b, "\n%s: %s", r.Suite, note)
		}
	}
	b.WriteString("\n")
	for _, r := range results {
		listFindings(&b, r.Suite+", argued", r.Argued, len(r.Argued), docs)
		listFindings(&b, r.Suite+", wrong", r.Wrong, shownWrong, docs)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func listFindings(b *strings.Builder, title string, findings []Finding, shown int, docs bool) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", title)
	for i, f := range findings {
		if i == shown {
			fmt.Fprintf(b, "  and %d more\n", len(findings)-shown)
			break
		}
		fmt.Fprintf(b, "  %s", f.Case)
		if f.Cases > 1 {
			fmt.Fprintf(b, " (%d)", f.Cases)
		}
		fmt.Fprintf(b, ": %s\n", f.Why)
		if docs && f.Doc != nil {
			fmt.Fprintf(b, "    %s\n", f.Doc)
		}
	}
}
