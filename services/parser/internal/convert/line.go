package convert

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/bundle"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/scan"
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

// line converts one line. A plain one allocates nothing; see BenchmarkConvert.
func (p *Parser) line(l line) {
	p.statement.Lines++
	if isBlank(l.text) {
		p.statement.Blank++
		return
	}
	d, err := p.scanner.Scan(l.text)
	if err != nil {
		p.rejectLine(l, d, scanIssue(err))
		return
	}
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
		if d.ID.Kind == scan.Absent && d.Header {
			p.statement.Control++
			return
		}
	}
	if problem := key.CheckID(d); problem != nil {
		p.rejectLine(l, d, problem)
		return
	}
	p.statement.Plain++
	p.store(d.ResourceType.Text, found{
		record: fhirmsg.Record{
			ID: d.ID.Text, Line: l.number, Hash: p.scanner.Hash(), Subsetted: d.Subsetted, Body: l.text[d.Start:d.End],
		},
		lastUpdated: d.LastUpdated,
	})
}

// unroll converts a Bundle by its entries. It returns false for one that is stored whole.
func (p *Parser) unroll(l line, d *scan.Document) bool {
	t, problem := bundle.TypeOf(d)
	if problem != nil {
		p.rejectLine(l, d, problem)
		return true
	}
	if t.IsWhole() {
		return false
	}
	b := bundle.Bundle{Text: l.text, Document: d, Type: t, FHIRVersion: p.chunk.Import.FHIRVersion, IDs: p.ids}
	if problem := p.unroller.Unroll(b, func(e *bundle.Entry) { p.entry(l, e) }); problem != nil {
		p.rejectLine(l, d, problem)
		return true
	}
	p.statement.Bundles++
	return true
}

func (p *Parser) entry(l line, e *bundle.Entry) {
	p.statement.Entries++
	switch e.Outcome {
	case bundle.Ignored:
		p.statement.Ignored++
	case bundle.Stored, bundle.Deleted:
		p.statement.Issues += e.Warnings
		p.store(e.Type, found{
			record: fhirmsg.Record{
				ID: e.ID, Line: l.number, Entry: e.Ordinal, Hash: e.Hash, Deleted: e.Outcome == bundle.Deleted,
				Subsetted: e.Subsetted, Body: e.Body,
			},
			lastUpdated: e.LastUpdated, lastModified: e.LastModified,
		})
	default:
		p.statement.EntriesRejected++
		p.rejects.add(fhirmsg.Reject{
			Line: l.number, Entry: e.Ordinal, Offset: l.offset, Type: string(e.Type), ID: string(e.ID),
			Issues: []fhirmsg.Issue{*e.Problem}, Raw: e.Raw,
		})
	}
}

// found is a resource or a deletion on its way into a batch.
type found struct {
	record       fhirmsg.Record // all but the stamp
	lastUpdated  scan.Value
	lastModified scan.Value // the next best
}

func (p *Parser) store(resourceType []byte, f found) {
	if !key.IsUsual(f.record.ID) {
		p.statement.Issues++
	}
	changed, known := p.instant(f.lastUpdated)
	if !known {
		changed, known = p.instant(f.lastModified)
	}
	var lastUpdated *int64
	if known {
		lastUpdated = &changed
	}
	imp := &p.chunk.Import
	stamp, clamped := fhirmsg.Stamp(imp.Mode, lastUpdated, imp.AsOf, imp.Issued)
	if clamped {
		p.statement.Clamped++
	}
	f.record.Stamp = stamp
	p.batches.add(resourceType, &f.record)
}

// instant reads a date, and counts an issue if there is one that cannot be read.
func (p *Parser) instant(v scan.Value) (micros int64, ok bool) {
	if v.Kind == scan.Absent {
		return 0, false
	}
	if micros, ok = parseInstant(v.Text); !ok {
		p.statement.Issues++
	}
	return micros, ok
}

func (p *Parser) rejectLine(l line, d *scan.Document, problem *fhirmsg.Issue) {
	p.statement.Rejected++
	r := fhirmsg.Reject{Line: l.number, Offset: l.offset, Issues: []fhirmsg.Issue{*problem}, Raw: l.text}
	if t := d.ResourceType.Text; fhirdef.IsResourceType(p.chunk.Import.FHIRVersion, t) {
		r.Type = string(t)
		if id := d.ID.Text; key.Fault(id) == "" {
			r.ID = string(id)
		}
	}
	p.rejects.add(r)
}

// tooLong rejects a line of which there is only the beginning.
func (p *Parser) tooLong(l line) {
	p.statement.Lines++
	p.statement.Rejected++
	p.rejects.add(fhirmsg.Reject{
		Line: l.number, Offset: l.offset, Raw: l.text, Cut: true,
		Issues: []fhirmsg.Issue{{Severity: "error", Code: "too-long", Diagnostics: fmt.Sprintf(
			"the line is too long: expected at most %d bytes; raise the limit, or send a Bundle in parts", p.chunk.Import.MaxLine)}},
	})
}

func scanIssue(err error) *fhirmsg.Issue {
	var e *scan.Error
	if !errors.As(err, &e) {
		return &fhirmsg.Issue{Severity: "error", Code: "processing", Diagnostics: "the line could not be read"}
	}
	return &fhirmsg.Issue{Severity: "error", Code: e.Code, Diagnostics: e.Msg, Offset: int64(e.Offset)}
}
