package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/services/fetcher"
)

// maxKinds is how many kinds of issues are counted each by itself: names of unknown elements
// come from the data, so there is no end of them.
const maxKinds = 2000

// maxRows is how many kinds of issues a person is shown.
const maxRows = 50

// report is what `stoker validate --json` prints.
type report struct {
	Valid       bool          `json:"valid"`                 // no errors
	Interrupted bool          `json:"interrupted,omitempty"` // the report is on what was checked before
	Totals      totals        `json:"totals"`
	Counts      []kindCount   `json:"counts"`                    // by kind of issue: errors first, then the most frequent
	OtherCount  int64         `json:"counts_left_out,omitempty"` // issues of further kinds
	Issues      []issue       `json:"issues"`                    // the first --max-issues
	LeftOut     int64         `json:"issues_left_out"`           // the others
	Files       []fileReport  `json:"files"`
	Skipped     []skippedFile `json:"skipped,omitempty"` // what the folders have besides

	maxIssues int
	kinds     map[kind]int // index in Counts
}

type totals struct {
	Files  int64 `json:"files"`
	Failed int64 `json:"files_failed"` // that could not be read, or not to their end
	tally
	Seconds float64 `json:"seconds"`
}

// fileReport is what was found in one file.
type fileReport struct {
	Name string `json:"name"`
	tally
	Failed string `json:"failed,omitempty"` // why it could not be read, or not to its end

	read int64 // bytes, compressed as they are there
}

type skippedFile struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func newReport(maxIssues int) *report {
	return &report{
		Counts: []kindCount{}, Files: []fileReport{}, Issues: []issue{},
		maxIssues: maxIssues, kinds: map[kind]int{},
	}
}

// add takes over what was found in a chunk, and returns the issues that are to be shown.
// Chunks come in the order of files.
func (r *report) add(file fetcher.File, found *result) []issue {
	if found.file == len(r.Files) {
		r.Files = append(r.Files, fileReport{Name: file.Name})
	}
	f := &r.Files[found.file]
	f.add(found.tally)
	f.Failed, f.read = found.failed, found.read
	r.Totals.add(found.tally)
	for _, k := range found.kinds {
		k.File = file.Name
		r.count(k)
	}
	shown := found.issues[:min(len(found.issues), r.maxIssues-len(r.Issues))]
	for i := range shown {
		shown[i].File = file.Name
	}
	r.Issues = append(r.Issues, shown...)
	if found.last {
		r.Totals.Files++
		if found.failed != "" {
			r.Totals.Failed++
		}
	}
	return shown
}

func (r *report) count(k kindCount) {
	n, known := r.kinds[k.kind]
	switch {
	case known:
		r.Counts[n].Count += k.Count
	case len(r.Counts) == maxKinds:
		r.OtherCount += k.Count
	default:
		r.kinds[k.kind] = len(r.Counts)
		r.Counts = append(r.Counts, k)
	}
}

func (r *report) finish(took time.Duration, interrupted bool) {
	r.Interrupted = interrupted
	r.Valid = r.Totals.Errors == 0 && !interrupted
	r.Totals.Seconds = took.Seconds()
	r.LeftOut = r.Totals.Errors + r.Totals.Warnings - int64(len(r.Issues))
	slices.SortStableFunc(r.Counts, func(a, b kindCount) int {
		return cmp.Or(rank(a.Severity)-rank(b.Severity), cmp.Compare(b.Count, a.Count))
	})
}

func rank(severity string) int {
	if isError(severity) {
		return 0
	}
	return 1
}

// String is the issue for people, in lines that end.
func (i issue) String() string {
	var b strings.Builder
	b.WriteString(i.File)
	if i.Line > 0 {
		fmt.Fprintf(&b, ":%d", i.Line)
	}
	if i.Column > 0 {
		fmt.Fprintf(&b, ":%d", i.Column)
	}
	b.WriteString(": " + i.Severity + ": ")
	if i.Expression != "" {
		b.WriteString(i.Expression + ": ")
	}
	b.WriteString(i.Diagnostics + " (")
	if i.Entry > 0 {
		fmt.Fprintf(&b, "entry %d, ", i.Entry)
	}
	b.WriteString(i.Code + ")")
	text := safe(b.String()) + "\n"
	for line := range strings.Lines(i.source) {
		text += "  " + line
	}
	if i.source != "" {
		text += "\n"
	}
	return text
}

// printReport prints what follows the issues.
func (a *app) printReport(r *report) {
	if n := r.LeftOut; n > 0 && r.maxIssues > 0 {
		a.printf("%s more issues are not shown, see --max-issues\n", thousands(n))
	}
	if len(r.Counts) > 0 {
		if r.maxIssues > 0 {
			a.printf("\n")
		}
		t := a.table()
		_, _ = fmt.Fprintln(t, "COUNT\tSEVERITY\tCODE\tWHERE\tFIRST AT\tWHAT") // no tab at the end, which would become spaces
		for _, k := range r.Counts[:min(len(r.Counts), maxRows)] {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", thousands(k.Count), k.Severity, k.Code, safe(k.Expression), safe(k.first()), safe(k.Diagnostics))
		}
		_ = t.Flush() // a closed pipe ends the program soon enough
		if n := len(r.Counts) - maxRows; n > 0 {
			a.printf("and %s kinds more, see --json\n", thousands(int64(n)))
		}
		a.printf("\n")
	}
	if r.Interrupted {
		a.printf("interrupted; so far: ")
	}
	a.printf("%s\n", r.Totals.describe())
	if n := len(r.Skipped); n > 0 {
		a.printf("%s in the folders passed over: only .ndjson, .jsonl and .json are taken, plain or as .gz or .zst\n", plural(int64(n), "file"))
	}
}

// first is the place of the first issue of the kind.
func (k kindCount) first() string {
	if k.Line == 0 {
		return k.File
	}
	return fmt.Sprintf("%s:%d", k.File, k.Line)
}

func (t totals) describe() string {
	failed := ""
	if t.Failed > 0 {
		failed = fmt.Sprintf(" (%s not read to the end)", thousands(t.Failed))
	}
	return fmt.Sprintf("%s%s, %s, %s: %s with errors, %s with warnings; %.1f s, %.1f MB/s",
		plural(t.Files, "file"), failed, plural(t.Lines, "line"), plural(t.Resources, "resource"),
		thousands(t.WithErrors), thousands(t.WithWarnings), t.Seconds, float64(t.Bytes)/1e6/max(t.Seconds, 0.001))
}

func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}
