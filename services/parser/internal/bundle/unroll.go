package bundle

import (
	"bytes"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// MaxRejected is the greatest number of entries of one Bundle that are rejected one by one.
// A Bundle with more is rejected as a whole: it is broken otherwise than in its entries, and
// what is said about them would be larger than itself.
const MaxRejected = 10_000

// Bundle is a document that was scanned without error and has a [Type] that is not whole.
type Bundle struct {
	Text        []byte // the document
	Document    *resource.Document
	Type        Type
	FHIRVersion string
	IDs         key.Maker // of the supplier
	Base        string    // of the supplier's own server, with a slash at its end, where fullUrls on it name resources; else ""

	// Orders says that the order of a history's entries is what they say of it, and that those without a date have one by
	// their neighbours.
	Orders bool

	// Refuses says which of the resources that could be stored are rejected all the same; nil is
	// none.
	Refuses func(resource lex.Value) bool
}

// Unroller takes Bundles apart, one after the other. It keeps its buffers: use one for each
// goroutine. The zero Unroller is ready.
type Unroller struct {
	Bundle
	scanner resource.Reader // of the entries' resources
	targets map[string]string
	history history
	body    []byte
	id      []byte
}

// Unroll hands every entry to yield, in order. Where there is an issue, nothing is handed
// over, and the Bundle cannot be taken.
func (u *Unroller) Unroll(b Bundle, yield func(*Entry)) *fhirmsg.Issue {
	u.Bundle = b
	defer u.reset()
	entries := b.Document.Entry
	if entries.Kind != lex.Absent && entries.Kind != lex.Array {
		return issue("structure", "Bundle.entry must be an array", "Bundle.entry", entries.Start)
	}
	if u.Orders && u.Type == History {
		u.readHistory()
	}
	if len(b.Document.URNs) > 0 {
		u.each(func(e *Entry, p *parts) { u.addTarget(e, p.fullURL) })
	}
	if count(b.Text, entries) > MaxRejected {
		rejected := 0
		u.each(func(e *Entry, _ *parts) {
			if e.Outcome == Rejected || e.Outcome == Stored && u.Refuses != nil && u.Refuses(e.Resource) {
				rejected++
			}
		})
		if rejected > MaxRejected {
			return issue("processing", "more than 10000 entries of this Bundle cannot be taken: expected resources and requests as FHIR defines them", "Bundle.entry", entries.Start)
		}
	}
	u.each(func(e *Entry, _ *parts) {
		u.rewrite(e)
		yield(e)
	})
	return nil
}

// maxKept is the largest buffer in bytes, and maxTargets the largest map, kept for the next
// Bundle.
const (
	maxKept    = 4 << 20
	maxTargets = 1 << 16
)

func (u *Unroller) reset() {
	if len(u.targets) > maxTargets {
		u.targets = nil
	}
	clear(u.targets)
	if cap(u.body) > maxKept {
		u.body = nil
	}
	if len(u.history.dates) > maxTargets {
		u.history.dates = nil
	}
	clear(u.history.dates) // they hold on to the document
	u.history = history{dates: u.history.dates[:0]}
	u.Bundle = Bundle{}
}

func count(doc []byte, array lex.Value) int {
	n := 0
	for range lex.Elements(doc, array) {
		n++
	}
	return n
}

// each decides on every entry.
func (u *Unroller) each(do func(*Entry, *parts)) {
	index := 0
	for v := range lex.Elements(u.Text, u.Document.Entry) {
		e := Entry{Ordinal: int32(index + 1), Raw: u.Text[v.Start:v.End], index: index, Start: v.Start}
		if u.Type == History && !u.history.oldestFirst {
			e.Ordinal = -e.Ordinal
		}
		var p parts
		if v.Kind != lex.Object {
			e.reject("structure", "a Bundle's entry must be an object", "", 0)
		} else {
			p = readParts(u.Text, v)
			e.Resource = p.resource
			u.decide(&e, &p)
			if index < len(u.history.dates) && e.LastModified.Kind == lex.Absent {
				e.LastModified = u.history.dates[index]
			}
		}
		do(&e, &p)
		index++
	}
}

var urnPrefix = []byte("urn:")

// addTarget notes which resource references to the entry's fullUrl mean.
func (u *Unroller) addTarget(e *Entry, fullURL lex.Value) {
	if e.Outcome != Stored || !bytes.HasPrefix(fullURL.Text, urnPrefix) {
		return
	}
	if u.targets == nil {
		u.targets = map[string]string{}
	}
	reference := string(e.Type) + "/" + string(e.ID)
	if other, ok := u.targets[string(fullURL.Text)]; ok && other != reference {
		reference = "" // of two resources: it cannot be known which is meant
	}
	u.targets[string(fullURL.Text)] = reference
}

// rewrite replaces references to other entries and completes what depends on the body.
func (u *Unroller) rewrite(e *Entry) {
	if e.Outcome != Stored {
		return
	}
	d := &resource.Document{}
	if len(u.targets) > 0 && string(e.Type) != "Bundle" {
		d = u.scanner.Document()
	}
	u.body = u.body[:0]
	copied := 0
	for _, v := range d.URNs {
		reference := u.targets[string(v.Text)]
		if reference == "" {
			continue
		}
		u.body = append(u.body, e.Body[copied:v.Start]...)
		u.body = appendString(u.body, reference)
		copied = v.End
	}
	if copied > 0 {
		// The id may be in the scanner's buffer.
		u.id = append(u.id[:0], e.ID...)
		u.body = append(u.body, e.Body[copied:]...)
		e.ID, e.Body = u.id, u.body
		if _, err := u.scanner.Read(e.Body, false); err != nil {
			e.reject("processing", "references could not be rewritten", "resource", 0)
			return
		}
		e.LastUpdated = u.scanner.Document().LastUpdated
	}
	e.Hash = u.scanner.Hash()
}

// appendString appends s as a JSON string. It has no control characters: an id with one is
// not stored.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
