package scan

import (
	"bytes"
	"iter"
	"unicode/utf8"
)

// Elements yields the elements of an array in a document that was scanned without error.
func Elements(doc []byte, array Value) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if array.Kind != Array {
			return
		}
		for i := skipSpace(doc, array.Start+1); i < array.End-1; {
			v := valueIn(doc, i)
			if !yield(v) {
				return
			}
			i = skipSpace(doc, skipSpace(doc, v.End)+1) // over the comma
		}
	}
}

// Members yields names and values of an object in a document that was scanned without
// error.
func Members(doc []byte, object Value) iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if object.Kind != Object {
			return
		}
		for i := skipSpace(doc, object.Start+1); i < object.End-1; {
			name := valueIn(doc, i)
			v := valueIn(doc, skipSpace(doc, skipSpace(doc, name.End)+1)) // over the colon
			if !yield(name.Text, v) {
				return
			}
			i = skipSpace(doc, skipSpace(doc, v.End)+1)
		}
	}
}

// valueIn returns the value at i of valid JSON.
func valueIn(doc []byte, i int) Value {
	if i >= len(doc) {
		return Value{Start: i, End: i}
	}
	v := Value{Kind: kindOf(doc[i]), Start: i, End: skip(doc, i)}
	if v.Kind == String {
		v.Text = doc[i+1 : max(i+1, v.End-1)]
		if bytes.IndexByte(v.Text, '\\') >= 0 {
			v.Text = appendUnescaped(nil, v.Text)
		}
	}
	return v
}

// skip returns the offset behind the value at i of valid JSON. Of anything else it
// returns some offset behind i.
func skip(doc []byte, i int) int {
	for depth := 0; i < len(doc); {
		switch doc[i] {
		case '"':
			i = skipString(doc, i+1)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			i++
			if depth > 0 || i < len(doc) && !isDelimiter(doc[i]) {
				continue
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

// skipString returns the offset behind the string whose opening quote is before i.
func skipString(doc []byte, i int) int {
	for i = skipPlain(doc, i); i < len(doc); i = skipPlain(doc, i) {
		switch doc[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default: // not ASCII; nothing else is left in valid JSON
			for i++; i < len(doc) && doc[i] >= utf8.RuneSelf; i++ {
			}
		}
	}
	return len(doc)
}

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && isSpace(doc[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func isDelimiter(c byte) bool { return isSpace(c) || c == ',' || c == ']' || c == '}' }
