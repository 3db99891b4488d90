package invariant

import (
	"github.com/stoker-fhir/stoker/services/parser/internal/primitive"
)

const ucum = "http://unitsofmeasure.org"

// ordered holds where one date is not after another, and where their order is not
// determined: in FHIRPath the comparison is empty then, and nothing is known to be wrong.
func ordered(earlier, later string) cond {
	return on2(earlier, later, func(doc []byte, a, b int) bool {
		if a < 0 || b < 0 {
			return true
		}
		order, determined := primitive.Compare(text(doc, a), text(doc, b))
		return !determined || order <= 0
	})
}

// number is a condition on the literal of a number; others are told elsewhere to be wrong.
func number(name string, f func(literal []byte) bool) cond {
	return on(name, func(doc []byte, at int) bool { return !isNumber(doc, at) || f(text(doc, at)) })
}

func isNumber(doc []byte, at int) bool {
	return at >= 0 && (doc[at] == '-' || doc[at] >= '0' && doc[at] <= '9')
}

func isPositive(literal []byte) bool { return primitive.CompareDecimals(literal, []byte("0")) > 0 }

func isNotNegative(literal []byte) bool { return primitive.CompareDecimals(literal, []byte("0")) >= 0 }

func isAtMost100(literal []byte) bool { return primitive.CompareDecimals(literal, []byte("100")) <= 0 }

func hasNoPoint(literal []byte) bool {
	for _, c := range literal {
		if c == '.' {
			return false
		}
	}
	return true
}

// notMore holds where one Quantity is not more than another, or their units differ: to
// convert them would be UCUM's business.
func notMore(low, high string) cond {
	return on2(low, high, func(doc []byte, a, b int) bool {
		low, high := member(doc, a, "value"), member(doc, b, "value")
		if !isNumber(doc, low) || !isNumber(doc, high) {
			return true
		}
		for _, name := range [...]string{"code", "system", "unit"} {
			if string(text(doc, member(doc, a, name))) != string(text(doc, member(doc, b, name))) {
				return true
			}
		}
		return primitive.CompareDecimals(text(doc, low), text(doc, high)) <= 0
	})
}

// natural returns the number that a string of digits is. ParseUint would allocate its errors.
func natural(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(b) > 0 && len(b) < 20
}

// isMaximum holds for * or a number from least on.
func isMaximum(least uint64) func(doc []byte, at int) bool {
	return func(doc []byte, at int) bool {
		if at < 0 || string(text(doc, at)) == "*" {
			return true
		}
		n, ok := natural(text(doc, at))
		return ok && n >= least
	}
}

// isRange holds for a least and a greatest number, such as min and max of an element. A
// maximum that is not a number is another constraint's.
func isRange(doc []byte, least, most int) bool {
	low, ok := natural(text(doc, least))
	high, known := natural(text(doc, most))
	return !ok || !known || low <= high
}
