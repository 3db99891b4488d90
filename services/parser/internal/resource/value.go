package resource

import (
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// value reads the value at i, unchecked, and returns the offset behind it. Depth is that of
// what surrounds it.
func (r *Reader) value(i int, p place, depth int) int {
	switch r.At(i) {
	case '"':
		return r.String(i + 1)
	case '{':
		return r.object(i, p, nil, nil, depth+1)
	case '[':
		return r.array(i, p, depth+1)
	case 't':
		return r.Literal(i, "true")
	case 'f':
		return r.Literal(i, "false")
	case 'n':
		return r.Literal(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return r.Number(i)
	default:
		return r.Syntax(i, "expected a value")
	}
}

// array reads the array at i, unchecked.
func (r *Reader) array(i int, p place, depth int) int {
	if depth > lex.MaxDepth {
		return r.TooDeep(i)
	}
	p = element(p)
	i = r.Space(i + 1)
	if r.At(i) == ']' {
		return i + 1
	}
	for {
		if i = r.value(i, p, depth); i == lex.Failed {
			return lex.Failed
		}
		var more bool
		if i, more = r.next(i); !more {
			return i
		}
	}
}

// next goes from behind an array's element to the one that follows, or behind the array.
func (r *Reader) next(i int) (after int, more bool) {
	i = r.Space(i)
	switch r.At(i) {
	case ',':
		return r.Space(i + 1), true
	case ']':
		return i + 1, false
	default:
		return r.Syntax(i, "expected ',' or ']'"), false
	}
}

// object reads the object at i. It is checked if its type is known; e is the element that it
// is a value of.
func (r *Reader) object(i int, p place, t *fhirdef.Type, e *fhirdef.Element, depth int) int {
	if depth > lex.MaxDepth {
		return r.TooDeep(i)
	}
	if p == tagItem {
		r.tagged = 0
	}
	start := i
	var f *frame
	if t != nil {
		f = r.open(i, t, e)
	}
	names := r.OpenNames()
	i = r.Space(i + 1)
	if r.At(i) == '}' {
		if f != nil {
			r.close(f, start, i+1)
		}
		return i + 1
	}
	for {
		if r.At(i) != '"' {
			return r.Syntax(i, "expected a name in double quotes")
		}
		nameAt := i
		if i = r.String(i + 1); i == lex.Failed {
			return lex.Failed
		}
		name, repeated := r.Name(&names, nameAt+1, i-1)
		known, next := unknown, elsewhere
		if p != elsewhere {
			known, next = lookup(p, name)
		}
		if repeated {
			if known == unknown {
				name = nil
			}
			return r.Duplicate(nameAt, name)
		}
		if i = r.Space(i); r.At(i) != ':' {
			return r.Syntax(i, "expected ':' after a name")
		}
		value := r.Space(i + 1)
		if f != nil {
			i = r.member(f, nameAt, name, value, next, depth)
		} else {
			i = r.value(value, next, depth)
		}
		if i == lex.Failed {
			return lex.Failed
		}
		if known > plain {
			r.found(known, value, i)
		} else if len(name) == len("reference") && string(name) == "reference" {
			r.foundReference(value, i)
		}
		i = r.Space(i)
		switch r.At(i) {
		case ',':
			i = r.Space(i + 1)
		case '}':
			if p == tagItem && r.tagged == tagSystem|tagCode {
				r.out.Subsetted = true
			}
			if !r.CloseNames(names) {
				return lex.Failed
			}
			if f != nil {
				r.close(f, start, i+1)
			}
			return i + 1
		default:
			return r.Syntax(i, "expected ',' or '}'")
		}
	}
}
