package resource

import (
	"math/bits"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/invariant"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// idBit is that of id: the first element of every type.
const idBit = 1

// close judges the object Doc[start:end] in hand as a whole, and goes back to the one around
// it.
func (r *Reader) close(f *frame, start, end int) {
	f.member = nil
	if missing := f.typ.Required &^ (f.seen | f.meant); missing != 0 {
		r.missing(f, missing, start)
	}
	if f.companions|f.nulls != 0 && !f.broken {
		r.pairs(f)
	}
	switch {
	case f.typ == r.types.element: // a companion: pairs judges the rest
		if f.seen == 0 && !f.odd {
			r.report(start, "error", "structure", "must not be empty: leave out what has no value")
		}
	case f.typ == r.types.coding:
		r.coding(f, start)
	case f.broken:
	case f.typ == r.types.codeableConcept:
		r.codeableConcept(f, start)
	case f.typ == r.types.quantity:
		if f.element.Simple && f.seen&r.types.comparator != 0 {
			r.reportChild("comparator", start, "error", "invariant", "must not be there: the quantity is a simple one (sqty-1)")
		}
	case f.typ == r.types.meta:
		r.containedMeta(f, start)
	}
	switch isData := f.typ.Kind == fhirdef.Object; {
	case isData && f.odd, f.broken:
		// What is unknown or misshapen may be what a rule of the type asks for.
	case isData && f.seen&^idBit == 0 && f.typ != r.types.element:
		r.empty(f, start)
	case r.invariants.Any(f.typ):
		r.judge(f, start, end)
	}
	if f.typ.Kind == fhirdef.Resource {
		r.closeResource(f, start)
	}
	r.top--
}

func (r *Reader) missing(f *frame, missing uint64, at int) {
	for ; missing != 0; missing &= missing - 1 {
		e := f.typ.Elements[bits.TrailingZeros64(missing)]
		message := "is required"
		if e.Choice {
			message += ": " + choices(e)
		}
		r.reportChild(e.Name, at, "error", "required", message)
	}
}

// empty reports an object without value and children (ele-1).
func (r *Reader) empty(f *frame, at int) {
	if f.typ.Required&^idBit != 0 {
		return // what is missing was reported
	}
	message := "must not be empty: leave out what has no value"
	if f.seen != 0 {
		message = "must have more than an id (ele-1)"
	}
	r.report(at, "error", "structure", message)
}

// judge applies the invariants of the object's type.
func (r *Reader) judge(f *frame, start, end int) {
	r.node = invariant.Node{
		Doc: r.Doc, Type: f.typ, Start: start, End: end, Seen: f.seen | f.meant, Valued: f.valued, At: &f.at,
	}
	r.invariants.Check(&r.node, r.onBroken)
}

// broken reports an invariant that does not hold.
func (r *Reader) broken(found invariant.Finding) {
	c := found.Constraint
	r.reportChild(found.Element, r.node.Start, c.Severity, "invariant", c.Human+" ("+c.Key+")")
}

// pairs judges primitives that have companions, and arrays with nulls
// (https://hl7.org/fhir/R4/json.html#primitive).
func (r *Reader) pairs(f *frame) {
	for set := f.companions | f.nulls; set != 0; set &= set - 1 {
		i := bits.TrailingZeros64(set)
		e := f.typ.Elements[i]
		m := f.typ.Member([]byte(e.Name))
		if e.Choice {
			m = f.choice[i]
		}
		value, companion := int32(-1), int32(-1)
		if f.valued>>i&1 != 0 {
			value = f.at[i]
		}
		if f.companions>>i&1 != 0 {
			companion = f.with[i]
		}
		f.member, f.index = m, -1
		if e.Repeats {
			r.pairArrays(f, value, companion)
		} else if value < 0 {
			r.valueless(lex.At(r.Doc, int(companion)))
		}
	}
	f.member, f.index = nil, -1
}

// pairArrays judges the items of an array and of its companion; -1 is where there is none.
func (r *Reader) pairArrays(f *frame, value, companion int32) {
	n, m := r.count(value), r.count(companion)
	if n > 0 && m > 0 && n != m {
		r.report(int(companion), "error", "structure",
			"must have as many items in _"+f.member.Name+" as in "+f.member.Name+", with null where there is none")
		return
	}
	values, companions := r.items(value), r.items(companion)
	for i := range max(n, m) {
		f.index = int32(i)
		v, _ := values.Next()
		c, _ := companions.Next()
		switch {
		case v.Kind > lex.Null:
		case c.Kind == lex.Object:
			r.valueless(c)
		case v.Kind == lex.Null:
			r.report(v.Start, "error", "structure", "must not be null without an extension in _"+f.member.Name)
		default:
			r.report(c.Start, "error", "structure", "must not be null without an extension in _"+f.member.Name)
		}
	}
}

func (r *Reader) items(array int32) lex.Cursor {
	if array < 0 {
		return lex.Cursor{}
	}
	return lex.Items(r.Doc, int(array))
}

func (r *Reader) count(array int32) (n int) {
	items := r.items(array)
	for _, more := items.Next(); more; _, more = items.Next() {
		n++
	}
	return n
}

// valueless judges a companion that stands alone. It needs more than an id, and cannot take the
// place of a code that is required (https://hl7.org/fhir/R4/terminologies.html#required).
func (r *Reader) valueless(companion lex.Value) {
	set := r.frames[r.top].member.Element.Binding
	switch {
	case !hasMoreThanID(r.Doc, companion):
		r.report(companion.Start, "error", "structure", "must have a value or an extension (ele-1)")
	case set != nil && set.Syntax == fhirdef.Enumerated:
		r.report(companion.Start, "error", "code-invalid", "a code is required: "+expectedCode(set))
	}
}

func hasMoreThanID(doc []byte, object lex.Value) bool {
	for n := range lex.Members(doc, object) {
		if string(n) != "id" {
			return true
		}
	}
	return false
}
