package growth

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// processes are those of the pipeline, in the order of the data's path.
var processes = []string{"fetcher", "nats-server", "parser", "writer", "postgres"}

// column is a figure of each step.
type column struct {
	head  string
	value func(Step, int64) string // of a step and its number of resources
}

// columns are what the table shows: costs for a million resources, sizes at the end of the step.
func columns() []column {
	perMillion := func(n, resources int64) float64 { return float64(n) * 1e6 / float64(resources) }
	list := []column{
		{"resources", func(s Step, _ int64) string { return fmt.Sprint(s.Resources) }},
		{"s", func(s Step, _ int64) string { return fmt.Sprintf("%.1f", s.Seconds) }},
		{"resources/s", func(s Step, _ int64) string { return fmt.Sprintf("%.0f", s.Rate) }},
	}
	for _, p := range processes {
		list = append(list, column{"CPU s/M " + p, func(s Step, _ int64) string { return fmt.Sprintf("%.1f", s.CPU[p]) }})
	}
	return append(list,
		column{"WAL MB/M", func(s Step, n int64) string { return megabytes(perMillion(s.WAL, n)) }},
		column{"full pages/M", func(s Step, n int64) string { return fmt.Sprintf("%.0f", perMillion(s.FullPages, n)) }},
		column{"checkpoints", func(s Step, _ int64) string { return fmt.Sprint(s.Checkpoints) }},
		column{"misses/M", func(s Step, n int64) string { return fmt.Sprintf("%.0f", perMillion(s.Misses, n)) }},
		column{"disk MB/M", func(s Step, n int64) string {
			return megabytes(perMillion(s.Written["postgres"]+s.Written["nats-server"], n))
		}},
		column{"heap MB", func(s Step, _ int64) string { return megabytes(float64(s.Sizes.Heap)) }},
		column{"TOAST MB", func(s Step, _ int64) string { return megabytes(float64(s.Sizes.TOAST)) }},
		column{"indexes MB", func(s Step, _ int64) string { return megabytes(float64(s.Sizes.Index)) }},
		column{"ledger MB", func(s Step, _ int64) string { return megabytes(float64(s.Sizes.Ledger)) }},
	)
}

func megabytes(bytes float64) string { return fmt.Sprintf("%.0f", bytes/1e6) }

// rows are the table's cells, its head first.
func (r *Report) rows() [][]string {
	list := columns()
	head := make([]string, len(list))
	for i, c := range list {
		head[i] = c.head
	}
	rows := [][]string{head}
	done := int64(0)
	for _, s := range r.Steps {
		row := make([]string, len(list))
		for i, c := range list {
			row[i] = c.value(s, s.Resources-done)
		}
		rows, done = append(rows, row), s.Resources
	}
	return rows
}

// Print writes the table and its summary.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range r.rows() {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.summary())
	return err
}

// summary is the ratio of rates, and the memory of all but PostgreSQL, whose processes share theirs.
func (r *Report) summary() string {
	var peaks []string
	for _, p := range processes {
		if p != "postgres" {
			peaks = append(peaks, p+" "+megabytes(float64(r.last().Peak[p]))+" MB")
		}
	}
	return fmt.Sprintf("The rate of the last step is %.2f of that of the second. Most memory in use: %s.", r.Ratio(), strings.Join(peaks, ", "))
}

func (r *Report) last() Step { return r.Steps[len(r.Steps)-1] }

// markdown is a table, the head first. The first column is of words if so said; all others are figures.
func markdown(rows [][]string, words bool) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i > 0 {
			continue
		}
		for j := range row {
			if j == 0 && words {
				b.WriteString("|---")
			} else {
				b.WriteString("|--:")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}
