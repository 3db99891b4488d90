package primitive

import (
	"bytes"
	"cmp"
)

// isInteger: -?([0]|([1-9][0-9]*)) in 32 bits
// (https://hl7.org/fhir/R4/datatypes.html#integer). -0 is one.
func isInteger(text []byte) bool {
	limit := int64(1<<31 - 1)
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
		limit = 1 << 31
	}
	n, ok := natural(text)
	return ok && n <= limit
}

// isNatural: an integer without sign, from least to the greatest of 32 bits
// (https://hl7.org/fhir/R4/datatypes.html#unsignedInt, #positiveInt).
func isNatural(text []byte, least int64) bool {
	n, ok := natural(text)
	return ok && n >= least && n <= 1<<31-1
}

// natural reads digits without leading zeros. More than ten are more than 32 bits.
func natural(text []byte) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 10 || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	for _, c := range text {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// CompareDecimals orders two JSON numbers by value, exactly: -1, 0 or 1. 1.0, 1 and 10e-1 are
// equal, as are 0 and -0. An exponent counts up to 2^40, far beyond what can be stored; texts
// that are not JSON numbers have an order, but no particular one.
func CompareDecimals(a, b []byte) int {
	x, y := parseDecimal(a), parseDecimal(b)
	switch {
	case x.sign != y.sign:
		return cmp.Compare(x.sign, y.sign)
	case x.sign == 0:
		return 0
	case x.magnitude != y.magnitude:
		return x.sign * cmp.Compare(x.magnitude, y.magnitude)
	}
	return x.sign * compareDigits(x.digits, y.digits)
}

// decimal is sign * 0.digits * 10^magnitude. The digits begin with one that is not zero and
// may have a point between them.
type decimal struct {
	sign      int
	digits    []byte
	magnitude int64
}

const hugeExponent = 1 << 40

func parseDecimal(text []byte) decimal {
	d := decimal{sign: 1}
	if len(text) > 0 && text[0] == '-' {
		d.sign = -1
		text = text[1:]
	}
	mantissa := text
	for i, c := range text {
		if c == 'e' || c == 'E' {
			mantissa = text[:i]
			d.magnitude = parseExponent(text[i+1:])
			break
		}
	}
	point := bytes.IndexByte(mantissa, '.')
	if point < 0 {
		point = len(mantissa)
	}
	first := 0
	for first < len(mantissa) && (mantissa[first] == '0' || mantissa[first] == '.') {
		first++
	}
	if first == len(mantissa) {
		return decimal{}
	}
	d.digits = mantissa[first:]
	d.magnitude += int64(point - first)
	if first > point {
		d.magnitude++ // the point itself is no place
	}
	return d
}

func parseExponent(text []byte) int64 {
	negative := len(text) > 0 && text[0] == '-'
	n := int64(0)
	for _, c := range text {
		if isDigit(c) {
			n = min(n*10+int64(c-'0'), hugeExponent)
		}
	}
	if negative {
		return -n
	}
	return n
}

// compareDigits compares digits from the left, with zeros assumed behind the last and points
// passed over.
func compareDigits(a, b []byte) int {
	for i, j := 0, 0; ; i, j = i+1, j+1 {
		if i < len(a) && a[i] == '.' {
			i++
		}
		if j < len(b) && b[j] == '.' {
			j++
		}
		x, y := byte('0'), byte('0')
		if i < len(a) {
			x = a[i]
		}
		if j < len(b) {
			y = b[j]
		}
		switch {
		case x != y:
			return cmp.Compare(x, y)
		case i >= len(a) && j >= len(b):
			return 0
		}
	}
}
