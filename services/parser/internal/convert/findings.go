package convert

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

const (
	// reportedInFull is up to where in a file every resource that was stored with issues is
	// reported by itself. Behind it only the first with each issue in a chunk is, so that one
	// mistake in 500 million lines does not make as many reports. The counts are complete.
	reportedInFull = 64 << 20
	// maxKinds is how many kinds of issues a chunk counts by themselves. Unknown elements can
	// have any name.
	maxKinds = 200
)

// kind is what issues are counted by.
type kind struct{ severity, code, expression string }

// findings counts the issues of one chunk.
type findings struct {
	counts map[kind]*fhirmsg.IssueCount
	order  []*fhirmsg.IssueCount
}

func (f *findings) begin() {
	clear(f.counts)
	f.order = nil
}

// count counts the issues of a resource of a type. It reports whether one of them is the
// first of its kind in the chunk.
func (f *findings) count(resourceType string, line int64, issues []fhirmsg.Issue) (first bool) {
	if f.counts == nil {
		f.counts = map[kind]*fhirmsg.IssueCount{}
	}
	for _, i := range issues {
		k := kind{i.Severity, i.Code, generalised(resourceType, i.Expression)}
		c := f.counts[k]
		if c == nil && len(f.order) >= maxKinds {
			k.expression = ""
			i.Diagnostics = "further issues of many kinds"
			c = f.counts[k]
		}
		if c == nil {
			first = true
			c = &fhirmsg.IssueCount{Severity: k.severity, Code: k.code, Expression: k.expression, Line: line, Diagnostics: i.Diagnostics}
			f.counts[k] = c
			f.order = append(f.order, c)
		}
		c.Count++
	}
	return first
}

// finish returns the counts in the order of their first.
func (f *findings) finish() []fhirmsg.IssueCount {
	var counts []fhirmsg.IssueCount
	for _, c := range f.order {
		counts = append(counts, *c)
	}
	return counts
}

// generalised is an expression without indexes, and from the resource in a Bundle's entry on:
// Bundle.entry[3].resource.name[0].given[1] of a Patient is Patient.name.given.
func generalised(resourceType, expression string) string {
	if resourceType != "Bundle" && strings.HasPrefix(expression, "Bundle.entry[") {
		if _, rest, ok := strings.Cut(expression, "].resource"); ok {
			expression = resourceType + rest
		}
	}
	if strings.IndexByte(expression, '[') < 0 {
		return expression
	}
	out := make([]byte, 0, len(expression))
	for rest := expression; ; {
		before, after, ok := strings.Cut(rest, "[")
		out = append(out, before...)
		if !ok {
			return string(out)
		}
		_, rest, _ = strings.Cut(after, "]")
	}
}

// problems are the issues of the document in hand, by offset.
type problems struct {
	list []fhirmsg.Issue

	// Where the line and the column of the issue looked at last are.
	offset, line, column int64
}

// set takes over what a reader found in a line.
func (p *problems) set(l line, found []resource.Issue) {
	p.list = p.list[:0]
	if len(found) == 0 {
		return
	}
	for _, i := range found {
		p.list = append(p.list, fhirmsg.Issue{
			Severity: i.Severity, Code: i.Code, Diagnostics: i.Message, Expression: i.Expression, Offset: int64(i.Offset),
		})
	}
	slices.SortStableFunc(p.list, func(a, b fhirmsg.Issue) int { return cmp.Compare(a.Offset, b.Offset) })
	p.offset, p.line, p.column = 0, l.number, 1
	for i := range p.list {
		p.place(l.text, &p.list[i])
	}
}

// place fills in line and column of an issue that is not before the one placed last.
func (p *problems) place(text []byte, i *fhirmsg.Issue) {
	between := text[min(p.offset, int64(len(text))):min(i.Offset, int64(len(text)))]
	if n := bytes.Count(between, []byte("\n")); n > 0 {
		p.line += int64(n)
		p.column = 1
		between = between[bytes.LastIndexByte(between, '\n')+1:]
	}
	p.column += int64(utf8.RuneCount(between))
	p.offset = i.Offset
	i.Line, i.Column = p.line, p.column
}

// located returns an issue with its line and column.
func located(l line, i fhirmsg.Issue) fhirmsg.Issue {
	p := problems{line: l.number, column: 1}
	p.place(l.text, &i)
	return i
}

// within returns the issues from one offset to another.
func (p *problems) within(start, end int) []fhirmsg.Issue {
	at := func(offset int) int {
		i, _ := slices.BinarySearchFunc(p.list, int64(offset), func(i fhirmsg.Issue, offset int64) int { return cmp.Compare(i.Offset, offset) })
		return i
	}
	return p.list[at(start):at(end)]
}

func hasError(issues []fhirmsg.Issue) bool {
	return slices.ContainsFunc(issues, func(i fhirmsg.Issue) bool { return i.Severity == "error" || i.Severity == "fatal" })
}
