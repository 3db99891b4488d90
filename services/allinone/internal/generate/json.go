package generate

import (
	"encoding/base64"
	"strconv"
)

// builder appends JSON to a buffer that is used again for every resource. It puts the commas
// and escapes strings; that objects and arrays are ended is up to the caller. Names of members
// are this package's own and are written as they are.
type builder struct{ b []byte }

// comma separates from what is before. The last byte tells: a value never ends in one of these.
func (w *builder) comma() {
	if n := len(w.b); n > 0 {
		switch w.b[n-1] {
		case '{', '[', ':':
		default:
			w.b = append(w.b, ',')
		}
	}
}

func (w *builder) name(name string) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// item begins an object in an array, or the outermost one; object begins a named one.
func (w *builder) item() {
	w.comma()
	w.b = append(w.b, '{')
}

func (w *builder) object(name string) {
	w.name(name)
	w.b = append(w.b, '{')
}

func (w *builder) end() { w.b = append(w.b, '}') }

func (w *builder) array(name string) {
	w.name(name)
	w.b = append(w.b, '[')
}

func (w *builder) endArray() { w.b = append(w.b, ']') }

func (w *builder) str(name, value string) {
	w.startText(name)
	w.text(value)
	w.endText()
}

// strs is an array of strings.
func (w *builder) strs(name string, values ...string) {
	w.array(name)
	for _, v := range values {
		w.comma()
		w.b = append(w.b, '"')
		w.text(v)
		w.b = append(w.b, '"')
	}
	w.endArray()
}

// startText, text and endText write a string in parts.
func (w *builder) startText(name string) {
	w.name(name)
	w.b = append(w.b, '"')
}

func (w *builder) text(s string) {
	const digits = "0123456789abcdef"
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.b = append(w.b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			w.b = append(w.b, '\\', c)
		case '\n':
			w.b = append(w.b, '\\', 'n')
		default:
			w.b = append(w.b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	w.b = append(w.b, s[start:]...)
}

func (w *builder) endText() { w.b = append(w.b, '"') }

func (w *builder) boolean(name string, v bool) {
	w.name(name)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *builder) integer(name string, v int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, v, 10)
}

// decimal is v / 10^scale with all its digits: FHIR decimals keep their precision, and no
// floating point is involved.
func (w *builder) decimal(name string, v int64, scale int) {
	w.name(name)
	w.b = appendDecimal(w.b, v, scale)
}

func appendDecimal(b []byte, v int64, scale int) []byte {
	if v < 0 {
		b = append(b, '-')
		v = -v
	}
	unit := int64(1)
	for range scale {
		unit *= 10
	}
	b = strconv.AppendInt(b, v/unit, 10)
	if scale > 0 {
		b = append(b, '.')
		b = appendDigits(b, v%unit, scale)
	}
	return b
}

// appendDigits writes v with leading zeros, width digits in all.
func appendDigits(b []byte, v int64, width int) []byte {
	start := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := len(b) - 1; i >= start; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return b
}

func (w *builder) base64(name string, data []byte) {
	w.startText(name)
	w.b = base64.StdEncoding.AppendEncode(w.b, data)
	w.endText()
}
