package resource

import (
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/primitive"
)

// member reads and checks the value at i of a member of the object in hand.
func (r *Reader) member(f *frame, nameAt int, name []byte, i int, p place, depth int) int {
	key := name
	companion := len(name) > 0 && name[0] == '_'
	if companion {
		key = name[1:]
	}
	m := f.typ.Member(key)
	if m == nil || companion && !m.Type.Kind.IsPrimitive() {
		f.member, f.index = nil, -1
		end := r.value(i, p, depth)
		if end != lex.Failed && (f.typ.Kind != fhirdef.Resource || string(name) != "resourceType") {
			r.unknown(f, nameAt, name)
		}
		return end
	}
	f.member, f.index = m, -1
	e := m.Element
	bit := uint64(1) << e.Index
	if e.Choice {
		if f.seen&bit != 0 && f.choice[e.Index] != m {
			f.broken = true
			r.reportChild(e.Name, nameAt, "error", "structure", "must be there once: "+f.choice[e.Index].Name+" and "+m.Name+" exclude each other")
			return r.value(i, p, depth)
		}
		f.choice[e.Index] = m
	}
	f.seen |= bit
	if companion {
		f.companions |= bit
		f.with[e.Index] = int32(i)
	} else {
		f.valued |= bit
		f.at[e.Index] = int32(i)
	}
	if e.Repeats {
		return r.list(f, i, p, companion, depth)
	}
	return r.item(f, i, p, companion, depth)
}

// list reads the array at i, the value of the member in hand.
func (r *Reader) list(f *frame, i int, p place, companion bool, depth int) int {
	if r.At(i) != '[' {
		return r.misfit(f, i, p, depth, "must be an array")
	}
	if depth++; depth > lex.MaxDepth {
		return r.TooDeep(i)
	}
	p = element(p)
	start := i
	i = r.Space(i + 1)
	if r.At(i) == ']' {
		r.report(start, "error", "structure", "must not be empty: leave out what has no value")
		f.broken = true
		return i + 1
	}
	for f.index = 0; ; f.index++ {
		if r.At(i) == 'n' && f.member.Type.Kind.IsPrimitive() {
			f.nulls |= 1 << f.member.Element.Index
			i = r.Literal(i, "null")
		} else {
			i = r.item(f, i, p, companion, depth)
		}
		if i == lex.Failed {
			return lex.Failed
		}
		var more bool
		if i, more = r.next(i); !more {
			f.index = -1
			return i
		}
	}
}

// item reads one value of the member in hand.
func (r *Reader) item(f *frame, i int, p place, companion bool, depth int) int {
	m := f.member
	c := r.At(i)
	switch kind := m.Type.Kind; {
	case companion:
		if c == '{' {
			return r.object(i, elsewhere, r.types.element, m.Element, depth+1)
		}
		return r.misfit(f, i, p, depth, "_"+m.Name+" must hold an object, with extension or id")
	case kind <= fhirdef.Object:
		if c == '{' {
			return r.object(i, p, m.Type, m.Element, depth+1)
		}
		return r.misfit(f, i, p, depth, "must be an object")
	case kind == fhirdef.Boolean:
		if c == 't' || c == 'f' {
			return r.value(i, p, depth)
		}
		return r.misfit(f, i, p, depth, "must be true or false, without quotes")
	case kind == fhirdef.Decimal, kind == fhirdef.Integer, kind == fhirdef.PositiveInt, kind == fhirdef.UnsignedInt:
		if c == '-' || c >= '0' && c <= '9' {
			return r.number(i, kind)
		}
		return r.misfit(f, i, p, depth, "must be a number, without quotes")
	case c == '"':
		end := r.String(i + 1)
		if end != lex.Failed {
			r.string(f, i, end)
		}
		return end
	default:
		return r.misfit(f, i, p, depth, "must be a string, in double quotes")
	}
}

// misfit reads the value at i unchecked, and reports that it is not of the right JSON type.
func (r *Reader) misfit(f *frame, i int, p place, depth int, message string) int {
	end := r.value(i, p, depth)
	if end == lex.Failed {
		return end
	}
	switch r.Doc[i] {
	case '[':
		message = "must not be an array"
	case 'n':
		message = "must not be null: leave out what has no value"
	}
	f.broken = true
	r.report(i, "error", "structure", message)
	return end
}

func (r *Reader) number(i int, kind fhirdef.Kind) int {
	end := r.Number(i)
	if end == lex.Failed || kind == fhirdef.Decimal {
		return end
	}
	r.primitive(i, kind, r.Doc[i:end])
	return end
}

// primitive checks a value at i by the rules of its type. It returns false for an error.
func (r *Reader) primitive(i int, kind fhirdef.Kind, text []byte) bool {
	severity, expected := primitive.Check(kind, text)
	switch severity {
	case primitive.Error:
		r.report(i, "error", "value", expected)
		return false
	case primitive.Warning:
		r.report(i, "warning", "value", expected)
	case primitive.None:
	}
	return true
}
