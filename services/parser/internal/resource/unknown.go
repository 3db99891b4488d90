package resource

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/spelling"
)

// suggestion is what is said of an unknown name in a type.
type suggestion struct {
	message string
	meant   uint64 // the bit of the element that was probably meant
}

// maxSuggestions is how many unknown names are remembered, since a supplier makes the same mistake
// in every line, and how many new ones of a document get a suggestion.
const maxSuggestions = 1000

// unknown reports a member that the type does not have.
func (r *Reader) unknown(f *frame, nameAt int, name []byte) {
	f.odd = true
	if r.isFull("error") {
		return
	}
	if !isElementName(name) { // it might be anything
		r.report(nameAt, "error", "structure", "unknown element")
		return
	}
	key := f.typ.Name + "." + string(name)
	s, ok := r.suggestions[key]
	switch {
	case ok:
	case len(r.suggestions) < maxSuggestions:
		s = suggest(f.typ, string(name))
		r.suggestions[key] = s
	default: // names without end are no misspellings
		s.message = unknownElement(f.typ, string(name))
	}
	if f.seen&s.meant == 0 {
		f.meant |= s.meant
		f.unclear = f.unclear || s.meant != 0 && s.meant == f.bit("contained")
	}
	r.reportChild(string(name), nameAt, "error", "structure", s.message)
}

// isElementName reports whether a name looks like one of FHIR's.
func isElementName(name []byte) bool {
	if len(name) > 0 && name[0] == '_' {
		name = name[1:]
	}
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for i, c := range name {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func unknownElement(t *fhirdef.Type, name string) string {
	return `unknown element "` + name + `" in ` + t.Name
}

func suggest(t *fhirdef.Type, name string) suggestion {
	bare, companion := strings.CutPrefix(name, "_")
	message := unknownElement(t, name)
	for _, e := range t.Elements {
		if e.Choice && e.Name == bare {
			return suggestion{message + ": the name must end in the type: " + choices(e), 1 << e.Index}
		}
	}
	if m := t.Member([]byte(bare)); m != nil && companion {
		return suggestion{message + ": only primitive elements have a companion with an underscore", 0}
	}
	best, least := "", 2*max(1, len(bare)/3)+2
	for _, candidate := range t.Names() {
		d := 2 * spelling.Distance(strings.ToLower(bare), strings.ToLower(candidate))
		if t.Member([]byte(candidate)).Element.Min == 0 {
			d++ // of two that are equally near, the one that is required
		}
		if d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return suggestion{message, 0}
	}
	return suggestion{message + `: did you mean "` + best + `"?`, 1 << t.Member([]byte(best)).Element.Index}
}

// shownChoices is up to how many names of a choice a message lists.
const shownChoices = 5

// choices lists the names of an element of several types.
func choices(e *fhirdef.Element) string {
	var names []string
	for _, t := range e.Types {
		if len(names) == shownChoices {
			names = append(names, "…")
			break
		}
		names = append(names, e.Name+strings.ToUpper(t.Name[:1])+t.Name[1:])
	}
	return strings.Join(names, " | ")
}
