package convert

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/bundle"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/primitive"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// line is one line of a file, or a file that is one document.
type line struct {
	text   []byte // without the end of line
	number int64
	offset int64 // of its first byte in the file
}

var byteOrderMark = []byte("\ufeff")

func (l *line) skipByteOrderMark() {
	if bytes.HasPrefix(l.text, byteOrderMark) {
		l.text = l.text[len(byteOrderMark):]
		l.offset += int64(len(byteOrderMark))
	}
}

func withoutReturn(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\r' {
		return text[:n-1]
	}
	return text
}

func isBlank(text []byte) bool {
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// line converts one line. A plain one without issues allocates nothing; see
// BenchmarkConvert.
func (p *Parser) line(l line) {
	p.statement.Lines++
	if isBlank(l.text) {
		p.statement.Blank++
		return
	}
	if p.chunk.Outcome {
		p.statement.Control++
		return
	}
	d, err := p.reader.Read(l.text, p.checks)
	if err != nil {
		p.problems.set(l, nil)
		p.rejectLine(l, d, readIssue(err))
		return
	}
	p.problems.set(l, p.reader.Issues())
	if problem := key.CheckType(p.chunk.Import.FHIRVersion, d); problem != nil {
		p.rejectLine(l, d, problem)
		return
	}
	switch string(d.ResourceType.Text) {
	case "Bundle":
		if p.chunk.Type != "Bundle" && p.unroll(l, d) {
			return
		}
	case "Parameters":
		if d.ID.Kind == lex.Absent && d.Header {
			p.statement.Control++
			return
		}
	}
	p.profiles.addLast(p.reader.Filled())
	if problem := key.CheckID(d); problem != nil {
		p.rejectLine(l, d, problem)
		return
	}
	if p.strict && hasError(p.problems.list) {
		p.rejectLine(l, d, nil)
		return
	}
	p.statement.Plain++
	p.store(l, d.ResourceType.Text, found{
		record: fhirmsg.Record{
			ID: d.ID.Text, Line: l.number, Entry: p.chunk.Entry, Hash: p.reader.Hash(),
			Subsetted: d.Subsetted || p.chunk.IsSubset(string(d.ResourceType.Text)), Body: l.text[d.Start:d.End],
		},
		lastUpdated: d.LastUpdated, issues: p.problems.list,
	})
}

// unroll converts a Bundle by its entries. It returns false for one that is stored whole.
// What is wrong with the Bundle itself is reported; only what is wrong with a resource in it
// rejects that.
func (p *Parser) unroll(l line, d *resource.Document) bool {
	t, problem := bundle.TypeOf(d)
	if problem != nil {
		p.rejectLine(l, d, problem)
		return true
	}
	if t.IsWhole() {
		return false
	}
	b := bundle.Bundle{Text: l.text, Document: d, Type: t, FHIRVersion: p.chunk.Import.FHIRVersion, IDs: p.ids, Orders: p.chunk.Import.Rules >= 5}
	if p.scope != nil {
		b.Base = p.scope.Base()
	}
	if p.strict {
		b.Refuses = func(resource lex.Value) bool { return hasError(p.problems.within(resource)) }
	}
	own := ownIssues{rest: p.problems.list}
	places := l.cursor()
	if problem := p.unroller.Unroll(b, func(e *bundle.Entry) {
		if e.Problem != nil {
			places.locate(e.Problem)
		}
		own.skip(e)
		p.entry(l, e)
	}); problem != nil {
		p.rejectLine(l, d, problem)
		return true
	}
	p.statement.Bundles++
	p.profiles.addEntries(p.reader.Filled())
	if p.chunk.Entry == 0 { // else the Bundle is one that nobody sent
		p.storedWith(l, fhirmsg.Reject{Line: l.number, Offset: l.offset, Type: "Bundle", Issues: own.finish()})
	}
	return true
}

func (p *Parser) entry(l line, e *bundle.Entry) {
	p.statement.Entries++
	issues := p.problems.within(e.Resource)
	if e.Problem != nil {
		issues = withProblem(*e.Problem, issues)
	}
	ordinal := e.Ordinal
	if p.chunk.Entry != 0 {
		ordinal = p.chunk.Entry // it was one of a Bundle with others
		issues = asInBundle(issues, ordinal)
	}
	switch {
	case e.Outcome == bundle.Ignored:
		p.statement.Ignored++
	case e.Outcome == bundle.Rejected, p.strict && hasError(issues):
		p.statement.EntriesRejected++
		r := fhirmsg.Reject{Line: l.number, Entry: ordinal, Offset: l.offset, Type: string(e.Type), ID: string(e.ID), Issues: issues, Raw: e.Raw}
		if e.Outcome != bundle.Rejected {
			r.Resource = bytes.Clone(e.Body)
		}
		p.reject(r)
	default:
		if !p.checks {
			p.statement.Issues += e.Warnings
		}
		p.store(l, e.Type, found{
			record: fhirmsg.Record{
				ID: e.ID, Line: l.number, Entry: ordinal, Hash: e.Hash, Deleted: e.Outcome == bundle.Deleted,
				Subsetted: e.Subsetted || e.Outcome != bundle.Deleted && p.chunk.IsSubset(string(e.Type)), Body: e.Body,
			},
			lastUpdated: e.LastUpdated, lastModified: e.LastModified, issues: issues,
		})
	}
}

// asInBundle returns issues of an entry that is put through again as those of the entry that it was.
// Where it is within the line is not known any more.
func asInBundle(issues []fhirmsg.Issue, ordinal int32) []fhirmsg.Issue {
	issues = slices.Clone(issues)
	was := fmt.Sprintf("Bundle.entry[%d]", max(ordinal, -ordinal)-1)
	for i := range issues {
		if rest, ok := strings.CutPrefix(issues[i].Expression, "Bundle.entry[0]"); ok {
			issues[i].Expression = was + rest
		}
		issues[i].Offset, issues[i].Column = 0, 0
	}
	return issues
}

// ownIssues picks a Bundle's own issues out of all: those that are not of its resources, nor the
// same mistake as what an entry was rejected for.
type ownIssues struct{ rest, own []fhirmsg.Issue }

// skip goes on behind an entry's resource, or behind what it was rejected for.
func (o *ownIssues) skip(e *bundle.Entry) {
	resource, problem := e.Resource, int64(-1)
	end := int64(resource.End)
	if e.Problem != nil {
		problem = e.Problem.Offset
		end = max(end, problem+1)
	}
	for len(o.rest) > 0 && o.rest[0].Offset < end {
		i := o.rest[0]
		if i.Offset != problem && (i.Offset < int64(resource.Start) || i.Offset >= int64(resource.End)) {
			o.own = append(o.own, i)
		}
		o.rest = o.rest[1:]
	}
}

func (o *ownIssues) finish() []fhirmsg.Issue { return append(o.own, o.rest...) }

// found is a resource or a deletion on its way into a batch.
type found struct {
	record       fhirmsg.Record // all but the stamp
	lastUpdated  lex.Value
	lastModified lex.Value // the next best
	issues       []fhirmsg.Issue
}

func (p *Parser) store(l line, resourceType []byte, f found) {
	changed, known := p.instant(l, &f, f.lastUpdated, resourceType, ".meta.lastUpdated")
	if !known {
		changed, known = p.instant(l, &f, f.lastModified, []byte("Bundle.entry"), ".response.lastModified")
	}
	var lastUpdated *int64
	if known {
		lastUpdated = &changed
	}
	stamp, clamped := p.chunk.StampOf(lastUpdated)
	if clamped {
		p.statement.Clamped++
	}
	f.record.Stamp = stamp
	if p.scope == nil {
		p.batches.add(resourceType, &f.record)
	} else {
		p.storeScoped(resourceType, f.record)
	}
	if !p.checks && !key.IsUsual(f.record.ID) {
		f.issues = append(f.issues, fhirmsg.Issue{
			Severity: "error", Code: "value", Expression: string(resourceType) + ".id", Line: l.number, Column: 1,
			Diagnostics: "must be 1 to 64 letters, digits, '-' and '.'",
		})
	}
	if len(f.issues) > 0 {
		p.storedWith(l, fhirmsg.Reject{
			Line: l.number, Entry: f.record.Entry, Offset: l.offset, Type: string(resourceType), ID: string(f.record.ID), Issues: f.issues,
		})
	}
}

// storeScoped gives a record the key that it has under the key policy scoped. What is reported of it
// has the key that its supplier knows.
func (p *Parser) storeScoped(resourceType []byte, r fhirmsg.Record) {
	r.OriginalID, r.ID = r.ID, p.scope.ID(resourceType, r.ID)
	if !r.Deleted {
		var err error
		if r.Body, r.Hash, err = p.scope.Rewrite(r.Body); err != nil {
			p.failed = err
			return
		}
	}
	p.batches.add(resourceType, &r)
}

// instant reads a date. One that cannot be read is an issue; where the definitions are
// checked, it is among theirs.
func (p *Parser) instant(l line, f *found, v lex.Value, of []byte, member string) (micros int64, ok bool) {
	if v.Kind == lex.Absent {
		return 0, false
	}
	if micros, ok = primitive.Micros(v.Text); !ok && !p.checks {
		f.issues = append(f.issues, fhirmsg.Issue{
			Severity: "error", Code: "value", Expression: string(of) + member, Line: l.number, Column: 1,
			Diagnostics: "must be an instant: YYYY-MM-DDThh:mm:ss with a time zone",
		})
	}
	return micros, ok
}

// rejectLine rejects a line for what was found in it, and for a problem if that is not nil.
func (p *Parser) rejectLine(l line, d *resource.Document, problem *fhirmsg.Issue) {
	p.statement.Rejected++
	r := fhirmsg.Reject{Line: l.number, Offset: l.offset, Issues: p.problems.list, Raw: l.text}
	if problem != nil {
		places := l.cursor()
		places.locate(problem)
		r.Issues = withProblem(*problem, p.problems.list)
	}
	if t := d.ResourceType.Text; fhirdef.IsResourceType(p.chunk.Import.FHIRVersion, t) {
		r.Type = string(t)
		if id := d.ID.Text; key.Fault(id) == "" {
			r.ID = string(id)
		}
	}
	p.reject(r)
}

// tooLong rejects a line of which there is only the beginning.
func (p *Parser) tooLong(l line) {
	p.statement.Lines++
	if p.chunk.Outcome {
		p.statement.Control++
		return
	}
	p.statement.Rejected++
	p.reject(fhirmsg.Reject{
		Line: l.number, Offset: l.offset, Raw: l.text, Cut: true,
		Issues: []fhirmsg.Issue{{Severity: "error", Code: "too-long", Line: l.number, Column: 1, Diagnostics: fmt.Sprintf(
			"the line is too long: expected at most %d bytes; raise the limit, or send a Bundle in parts", p.chunk.Import.MaxLine)}},
	})
}

func (p *Parser) reject(r fhirmsg.Reject) {
	if p.chunk.Entry != 0 {
		r.Entry = p.chunk.Entry
	}
	p.findings.count(r.Type, r.Line, r.Issues)
	r.Issues = slices.Clone(r.Issues)
	p.rejects.add(r)
}

// storedWith counts and reports the issues of what was taken all the same.
func (p *Parser) storedWith(l line, r fhirmsg.Reject) {
	p.statement.Issues += int64(len(r.Issues))
	if first := p.findings.count(r.Type, r.Line, r.Issues); first || len(r.Issues) > 0 && l.offset < reportedInFull {
		r.Stored, r.Issues = true, slices.Clone(r.Issues)
		p.rejects.add(r)
	}
}

func readIssue(err error) *fhirmsg.Issue {
	var e *lex.Error
	if !errors.As(err, &e) {
		return &fhirmsg.Issue{Severity: "error", Code: "processing", Diagnostics: "the line could not be read"}
	}
	return &fhirmsg.Issue{Severity: "error", Code: e.Code, Diagnostics: e.Msg, Offset: int64(e.Offset)}
}
