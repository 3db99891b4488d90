package resource

import (
	"bytes"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/reference"
)

// containedResource is one in .contained of a resource that is open.
type containedResource struct {
	id        []byte
	typ       *fhirdef.Type
	at        int // in Doc
	index     int32
	mentioned bool
}

// mention is a #fragment in a resource that is open: a reference to a contained resource,
// or, without element, some other address.
type mention struct {
	id      []byte
	at      int
	element *fhirdef.Element // of type Reference
	path    int32            // its last step in Reader.steps
}

// reference checks the text of Reference.reference
// (https://hl7.org/fhir/R4/references.html#literal).
func (r *Reader) reference(f *frame, text []byte, at int) {
	ref := reference.Parse(text)
	if ref.Fault != "" {
		r.report(at, "error", "value", ref.Fault)
		return
	}
	if ref.Kind == reference.Fragment {
		r.mention(ref.ID, at, f.element)
		return
	}
	if len(ref.Type) == 0 {
		return
	}
	t := r.definitions.Resource(ref.Type)
	switch {
	case t == nil && ref.Kind == reference.Absolute:
	case t == nil:
		r.report(at, "error", "value", "must name a type of resource")
	case !allows(f.element, t):
		r.report(at, "error", "value", expectedTarget(f.element))
	}
}

func allows(e *fhirdef.Element, t *fhirdef.Type) bool { return e.Targets == nil || e.Targets.Has(t) }

func expectedTarget(e *fhirdef.Element) string {
	return "must refer to " + strings.Join(e.Targets.Names, " | ")
}

// mention keeps a #fragment until the end of its resource.
func (r *Reader) mention(id []byte, at int, e *fhirdef.Element) {
	if len(id) == 0 { // the resource that contains this one
		for i := r.top; i >= 0; i-- {
			if f := &r.frames[i]; f.typ.Kind == fhirdef.Resource {
				f.hasSelf = true
				return
			}
		}
		return
	}
	m := mention{id: id, at: at, element: e}
	if e != nil {
		m.path = r.keepPath()
	}
	r.mentions = append(r.mentions, m)
}

// keepPath keeps the path of the member in hand and returns its last step.
func (r *Reader) keepPath() int32 {
	last := int32(-1)
	for i := range r.frames[:r.top+1] {
		f := &r.frames[i]
		s := step{f.member, f.index, last}
		if int(f.step) >= len(r.steps) || r.steps[f.step] != s {
			f.step = int32(len(r.steps))
			r.steps = append(r.steps, s)
		}
		last = f.step
	}
	return last
}

func (r *Reader) openResource(f *frame) {
	p := r.parent()
	f.resourceFrame = resourceFrame{
		isContained: p != nil && f.element.Name == "contained",
		mentions:    len(r.mentions), steps: len(r.steps), contained: len(r.contained),
	}
	if !f.isContained {
		f.outer, r.scope = r.scope, r.top
	}
}

func (r *Reader) closeResource(f *frame, start int) {
	if f.isContained {
		if f.seen&f.bit("contained") != 0 {
			r.reportChild("contained", start, "error", "invariant", "must not be there: a contained resource cannot contain others (dom-2)")
		}
		if p := r.parent(); !p.isContained { // else it should not be there at all
			r.contained = append(r.contained, containedResource{
				id: r.text(f, "id"), typ: f.typ, at: start, index: p.index, mentioned: f.hasSelf,
			})
		}
		return
	}
	if len(r.contained)+len(r.mentions) > f.contained+f.mentions {
		r.matchMentions(f, r.mentions[f.mentions:], r.contained[f.contained:])
	}
	clear(r.mentions[f.mentions:])
	clear(r.contained[f.contained:])
	r.mentions, r.steps, r.contained = r.mentions[:f.mentions], r.steps[:f.steps], r.contained[:f.contained]
	r.scope = f.outer
	r.keepFilled(f)
}

// matchMentions judges ref-1, that every #reference is to a contained resource, and dom-3, that
// every contained resource is mentioned. What is wrong otherwise may hide the one or the other:
// then they are not judged.
func (r *Reader) matchMentions(f *frame, mentions []mention, contained []containedResource) {
	byID := func(a, b containedResource) int { return bytes.Compare(a.id, b.id) }
	slices.SortStableFunc(contained, byID)
	for i := range mentions {
		m := &mentions[i]
		// The first of those with the id stands for all.
		k, found := slices.BinarySearchFunc(contained, containedResource{id: m.id}, byID)
		switch {
		case m.element == nil && !found:
		case !found && f.unclear:
		case !found:
			r.reportMention(m, "invariant", "must be # and the id of a contained resource (ref-1)")
		case m.element != nil && !allows(m.element, contained[k].typ):
			r.reportMention(m, "value", expectedTarget(m.element))
		}
		if found {
			contained[k].mentioned = true
		}
	}
	at := f.typ.Member([]byte("contained"))
	judged := !f.hasError
	for i, c := range contained {
		if i > 0 && byID(contained[i-1], c) == 0 {
			c.mentioned = c.mentioned || contained[i-1].mentioned
			contained[i] = c
		}
		if judged && !c.mentioned && len(c.id) > 0 {
			f.member, f.index = at, c.index
			r.report(c.at, "error", "invariant", "must be referred to from elsewhere in the resource, or refer to it (dom-3)")
		}
	}
	f.member, f.index = nil, -1
}

func (r *Reader) reportMention(m *mention, code, message string) {
	if r.isFull("error") {
		return
	}
	var steps []step
	for i := m.path; i >= 0; i = r.steps[i].before {
		steps = append(steps, r.steps[i])
	}
	path := []byte(r.frames[0].typ.Name)
	for _, s := range slices.Backward(steps) {
		path = s.appendTo(path)
	}
	r.add(Issue{Severity: "error", Code: code, Expression: string(path), Message: message, Offset: m.at})
}

// containedMeta judges dom-4 and dom-5.
func (r *Reader) containedMeta(f *frame, at int) {
	if p := r.parent(); p == nil || !p.isContained || p.typ.Kind != fhirdef.Resource {
		return
	}
	for _, rule := range [...]struct{ name, key string }{
		{"versionId", "dom-4"}, {"lastUpdated", "dom-4"}, {"security", "dom-5"},
	} {
		if f.seen&f.bit(rule.name) != 0 {
			r.reportChild(rule.name, at, "error", "invariant", "must not be there in a contained resource ("+rule.key+")")
		}
	}
}
