package cli

import (
	"regexp"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// issue is one finding at its place in a file.
type issue struct {
	File        string `json:"file"`
	Line        int64  `json:"line,omitempty"`   // from 1; of a file that is one document: in its text
	Column      int64  `json:"column,omitempty"` // in characters, from 1
	Offset      int64  `json:"offset"`           // in bytes from the beginning of the file, decompressed
	Type        string `json:"type,omitempty"`   // of the resource
	Entry       int32  `json:"entry,omitempty"`  // of the Bundle in this line, from 1
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Expression  string `json:"expression,omitempty"`
	Diagnostics string `json:"diagnostics"`

	source string // the place and a caret, two lines; "" is none
}

// kind is what issues are counted by.
type kind struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Expression  string `json:"expression,omitempty"` // without indexes, and beginning with the resource's type also in a Bundle
	Diagnostics string `json:"diagnostics"`
}

// kindCount says how often a kind of issue occurs, and where first.
type kindCount struct {
	Count int64 `json:"count"`
	kind
	File   string `json:"first_file"`
	Line   int64  `json:"first_line,omitempty"`
	Column int64  `json:"first_column,omitempty"`
}

// tally counts what was checked, of a chunk, a file or all.
type tally struct {
	Lines        int64 `json:"lines"`
	Resources    int64 `json:"resources"`     // lines and entries of Bundles that are resources, or should be
	WithErrors   int64 `json:"with_errors"`   // of those: would be rejected
	WithWarnings int64 `json:"with_warnings"` // of those: warnings, but no errors
	Errors       int64 `json:"errors"`        // issues
	Warnings     int64 `json:"warnings"`
	Bytes        int64 `json:"bytes"` // decompressed
}

func (t *tally) add(o tally) {
	t.Lines += o.Lines
	t.Resources += o.Resources
	t.WithErrors += o.WithErrors
	t.WithWarnings += o.WithWarnings
	t.Errors += o.Errors
	t.Warnings += o.Warnings
	t.Bytes += o.Bytes
}

// result is what was found in one chunk of a file. Files' names are added later.
type result struct {
	file   int   // index of the input
	read   int64 // bytes of the file so far, compressed as they are there
	last   bool  // the file was read to its end, or as far as that is possible
	failed string
	tally  tally
	kinds  []kindCount // in order of their first
	issues []issue     // to be shown
}

// fail adds an issue about the file itself.
func (r *result) fail(line int64, err error) {
	r.failed = err.Error()
	r.tally.Errors++
	i := issue{Line: line, Severity: "error", Code: "processing", Diagnostics: r.failed}
	r.kinds = []kindCount{{Count: 1, kind: kind{i.Severity, i.Code, "", i.Diagnostics}, Line: line}}
	r.issues = []issue{i}
}

// isError reports whether an issue of the severity keeps a resource from being taken.
func isError(severity string) bool { return severity == "error" || severity == "fatal" }

// inspect says what is wrong with a chunk. The first issues, as many as are asked for, are told
// one by one, with the source if width is not 0.
func (r *result) inspect(c fhirmsg.Chunk, rejects []fhirmsg.Reject, s fhirmsg.Statement, issues, width int) {
	r.tally.Lines = s.Lines
	r.tally.Resources = s.Rejected + s.Plain + s.Bundles + s.Entries
	r.tally.Bytes = c.Length
	counted := map[kind]int{}
	var place place
	for _, reject := range rejects {
		worst := tally{}
		start := int(reject.Offset - c.Offset)
		place.line(c.Body, start, reject.Line)
		for _, found := range reject.Issues {
			if isError(found.Severity) {
				r.tally.Errors++
				worst.WithErrors = 1
			} else {
				r.tally.Warnings++
				worst.WithWarnings = 1
			}
			k := kind{found.Severity, found.Code, generalised(reject.Type, found.Expression), found.Diagnostics}
			n, known := counted[k]
			if known {
				r.kinds[n].Count++
			}
			if known && len(r.issues) >= issues {
				continue
			}
			place.move(start + int(found.Offset))
			if !known {
				counted[k] = len(r.kinds)
				r.kinds = append(r.kinds, kindCount{Count: 1, kind: k, Line: place.number, Column: place.column})
			}
			if len(r.issues) < issues {
				r.issues = append(r.issues, issue{
					Line: place.number, Column: place.column, Offset: c.Offset + int64(place.at), Type: reject.Type, Entry: max(reject.Entry, -reject.Entry),
					Severity: found.Severity, Code: found.Code, Expression: found.Expression, Diagnostics: found.Diagnostics,
					source: place.source(width),
				})
			}
		}
		r.tally.WithErrors += worst.WithErrors
		r.tally.WithWarnings += worst.WithWarnings &^ worst.WithErrors
	}
}

var indexes = regexp.MustCompile(`\[[0-9]+\]`)

// generalised is an expression without indexes, and of a Bundle's entry from its resource on:
// Bundle.entry[3].resource.name[0].given[1] of a Patient is Patient.name.given.
func generalised(resourceType, expression string) string {
	if !strings.Contains(expression, "[") {
		return expression
	}
	if _, rest, ok := strings.Cut(expression, "].resource"); ok && resourceType != "Bundle" && strings.HasPrefix(expression, "Bundle.entry[") {
		expression = resourceType + rest
	}
	return indexes.ReplaceAllString(expression, "")
}
