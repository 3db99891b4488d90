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
	id       []byte
	at       int
	element  *fhirdef.Element // of type Reference
	from, to int              // its path in Reader.steps
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
	m := mention{id: id, at: at, element: e, from: len(r.steps)}
	if e != nil {
		for i := range r.frames[:r.top+1] {
			f := &r.frames[i]
			r.steps = append(r.steps, step{f.member, f.index})
		}
	}
	m.to = len(r.steps)
	r.mentions = append(r.mentions, m)
}

func (r *Reader) openResource(f *frame) {
	p := r.parent()
	f.resourceFrame = resourceFrame{
		isContained: p != nil && f.element.Name == "contained",
		issues:      len(r.issues), mentions: len(r.mentions), steps: len(r.steps), contained: len(r.contained),
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
}

// matchMentions judges ref-1, that every #reference is to a contained resource, and dom-3, that
// every contained resource is mentioned. What is wrong otherwise may hide the one or the other:
// then they are not judged.
func (r *Reader) matchMentions(f *frame, mentions []mention, contained []containedResource) {
	slices.SortFunc(contained, func(a, b containedResource) int { return bytes.Compare(a.id, b.id) })
	for i := range mentions {
		m := &mentions[i]
		k, found := slices.BinarySearchFunc(contained, m.id, func(c containedResource, id []byte) int { return bytes.Compare(c.id, id) })
		switch {
		case m.element == nil && !found:
		case !found && f.unclear:
		case !found:
			r.reportMention(m, "invariant", "must be # and the id of a contained resource (ref-1)")
		case m.element != nil && !allows(m.element, contained[k].typ):
			r.reportMention(m, "value", expectedTarget(m.element))
		}
		for ; found && k < len(contained) && bytes.Equal(contained[k].id, m.id); k++ {
			contained[k].mentioned = true
		}
	}
	at := f.typ.Member([]byte("contained"))
	judged := !slices.ContainsFunc(r.issues[f.issues:], func(i Issue) bool { return i.Severity == "error" })
	for _, c := range contained {
		if judged && !c.mentioned && len(c.id) > 0 {
			f.member, f.index = at, c.index
			r.report(c.at, "error", "invariant", "must be referred to from elsewhere in the resource, or refer to it (dom-3)")
		}
	}
	f.member, f.index = nil, -1
}

func (r *Reader) reportMention(m *mention, code, message string) {
	if r.isFull() {
		return
	}
	path := []byte(r.frames[0].typ.Name)
	for _, s := range r.steps[m.from:m.to] {
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
