package convert

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

const (
	// reportedInFull is up to where in a file every resource that was stored with issues is
	// reported by itself. Behind it only the first with each issue in a chunk is, so that one
	// mistake in 500 million lines does not make as many reports. The counts go on.
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
	if resourceType != "" && resourceType != "Bundle" && strings.HasPrefix(expression, "Bundle.entry[") {
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

// cursor tells line and column of offsets in a text, in one pass if they ascend.
type cursor struct {
	text                 []byte
	first                int64 // number of the text's first line
	offset, line, column int64
}

func (l line) cursor() cursor {
	return cursor{text: l.text, first: l.number, line: l.number, column: 1}
}

// locate fills in line and column of an issue.
func (c *cursor) locate(i *fhirmsg.Issue) {
	if i.Offset < c.offset {
		*c = cursor{text: c.text, first: c.first, line: c.first, column: 1}
	}
	between := c.text[c.offset:min(i.Offset, int64(len(c.text)))]
	if n := bytes.Count(between, []byte("\n")); n > 0 {
		c.line += int64(n)
		c.column = 1
		between = between[bytes.LastIndexByte(between, '\n')+1:]
	}
	for _, b := range between {
		if b&0xC0 != 0x80 { // the first byte of a character
			c.column++
		}
	}
	c.offset = min(i.Offset, int64(len(c.text)))
	i.Line, i.Column = c.line, c.column
}

// problems are the issues of the document in hand, by offset.
type problems struct{ list []fhirmsg.Issue }

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
	c := l.cursor()
	for i := range p.list {
		c.locate(&p.list[i])
	}
}

// withProblem returns a problem and the issues that are not about the same place: those are the
// same mistake.
func withProblem(problem fhirmsg.Issue, issues []fhirmsg.Issue) []fhirmsg.Issue {
	all := []fhirmsg.Issue{problem}
	for _, i := range issues {
		if i.Offset != problem.Offset {
			all = append(all, i)
		}
	}
	return all
}

// within returns the issues of a value in the document.
func (p *problems) within(v lex.Value) []fhirmsg.Issue {
	at := func(offset int) int {
		i, _ := slices.BinarySearchFunc(p.list, int64(offset), func(i fhirmsg.Issue, offset int64) int { return cmp.Compare(i.Offset, offset) })
		return i
	}
	return p.list[at(v.Start):at(v.End)]
}

func hasError(issues []fhirmsg.Issue) bool {
	return slices.ContainsFunc(issues, func(i fhirmsg.Issue) bool { return i.Severity == "error" || i.Severity == "fatal" })
}
