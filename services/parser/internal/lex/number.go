package lex

// PostgreSQL's numeric has at most so many digits before and after the decimal point
// (https://www.postgresql.org/docs/current/datatype-numeric.html).
const (
	maxBefore = 131072
	maxAfter  = 16383
)

// hugeExponent is the least exponent that PostgreSQL refuses even for zero, and where
// exponents stop being counted. It is more than a document has digits to make up for.
const hugeExponent = 1<<30 - 1

// Number reads the number at i.
func (l *Lexer) Number(i int) int {
	start := i
	if l.Doc[i] == '-' {
		i++
	}
	whole := i
	switch c := l.At(i); {
	case c == '0':
		i++
	case isDigit(c):
		i = l.digits(i)
	default:
		return l.Syntax(i, "expected a digit")
	}
	wholeEnd, fraction, end := i, i, i
	if l.At(i) == '.' {
		fraction = i + 1
		if i = l.digits(fraction); i == fraction {
			return l.Syntax(i, "expected a digit after the decimal point")
		}
		end = i
	}
	exponent := 0
	if c := l.At(i); c == 'e' || c == 'E' {
		if i, exponent = l.exponent(i + 1); i == Failed {
			return Failed
		}
	}
	if exponent == 0 && end-start <= maxAfter {
		return i
	}
	if !inNumeric(l.Doc[whole:wholeEnd], l.Doc[fraction:end], exponent) {
		return l.Refuse(start, "value", "number out of range: expected at most 131072 digits before and 16383 after the decimal point")
	}
	return i
}

func (l *Lexer) exponent(i int) (end, exponent int) {
	negative := l.At(i) == '-'
	if negative || l.At(i) == '+' {
		i++
	}
	end = l.digits(i)
	if end == i {
		return l.Syntax(i, "expected a digit in the exponent"), 0
	}
	for _, c := range l.Doc[i:end] {
		exponent = min(exponent*10+int(c-'0'), hugeExponent)
	}
	if negative {
		exponent = -exponent
	}
	return end, exponent
}

func (l *Lexer) digits(i int) int {
	for isDigit(l.At(i)) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// inNumeric reports whether PostgreSQL takes whole.fraction times ten to the exponent.
func inNumeric(whole, fraction []byte, exponent int) bool {
	if exponent >= hugeExponent || exponent <= -hugeExponent {
		return false
	}
	before := len(whole) + exponent
	if whole[0] == '0' {
		zeros := 0
		for zeros < len(fraction) && fraction[zeros] == '0' {
			zeros++
		}
		before = exponent - zeros
		if zeros == len(fraction) {
			before = 0 // zero, whatever the exponent
		}
	}
	return before <= maxBefore && len(fraction)-exponent <= maxAfter
}
