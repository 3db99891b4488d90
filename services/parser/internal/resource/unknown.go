package resource

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// suggestion is what is said of an unknown name in a type.
type suggestion struct {
	message string
	meant   uint64 // the bit of the element that was probably meant
}

// maxSuggestions is how many unknown names are remembered: a supplier makes the same mistake
// in every line.
const maxSuggestions = 1000

// unknown reports a member that the type does not have.
func (r *Reader) unknown(f *frame, nameAt int, name []byte) {
	f.odd = true
	if !isElementName(name) { // it might be anything
		r.report(nameAt, "error", "structure", "unknown element")
		return
	}
	key := f.typ.Name + "." + string(name)
	s, ok := r.suggestions[key]
	if !ok {
		s = suggest(f.typ, string(name))
		if len(r.suggestions) < maxSuggestions {
			r.suggestions[key] = s
		}
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

func suggest(t *fhirdef.Type, name string) suggestion {
	bare, companion := strings.CutPrefix(name, "_")
	message := `unknown element "` + name + `" in ` + t.Name
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
		d := 2 * distance(strings.ToLower(bare), strings.ToLower(candidate))
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

// distance is how many letters must be inserted, deleted or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
