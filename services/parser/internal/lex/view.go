package lex

import (
	"bytes"
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// Elements yields the elements of an array in a document that was read without error.
func Elements(doc []byte, array Value) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if array.Kind != Array {
			return
		}
		items := Cursor{doc: doc[:array.End], next: skipSpace(doc, array.Start+1)}
		for v, more := items.Next(); more && yield(v); v, more = items.Next() {
		}
	}
}

// Cursor goes over the elements of an array in a document that was read without error. The
// zero Cursor is at its end.
type Cursor struct {
	doc  []byte
	next int
}

// Items begins with the elements of the array at i.
func Items(doc []byte, i int) Cursor { return Cursor{doc: doc, next: skipSpace(doc, i+1)} }

// Next returns the next element, or false behind the last.
func (c *Cursor) Next() (v Value, more bool) {
	if c.next >= len(c.doc) || c.doc[c.next] == ']' {
		return Value{}, false
	}
	v = valueIn(c.doc, c.next)
	c.next = skipSpace(c.doc, v.End)
	if c.next < len(c.doc) && c.doc[c.next] == ',' {
		c.next = skipSpace(c.doc, c.next+1)
	}
	return v, true
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
	v := Value{Kind: KindOf(doc[i]), Start: i, End: skip(doc, i)}
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

// Find returns the value of a member of the object at i. The document need not have been
// read: of what is not JSON some value is returned, or none.
func Find(doc []byte, i int, name string) Value {
	for i = skipSpace(doc, i+1); i < len(doc) && doc[i] == '"'; {
		n := valueIn(doc, i)
		v := skipSpace(doc, skipSpace(doc, n.End)+1) // over the colon
		if string(n.Text) == name {
			return valueIn(doc, v)
		}
		i = skipSpace(doc, skip(doc, v))
		if i < len(doc) && doc[i] == ',' {
			i = skipSpace(doc, i+1)
		}
	}
	return Value{}
}

// At returns the value at i of a document that was read without error.
func At(doc []byte, i int) Value { return valueIn(doc, i) }

// RawOffset returns the offset in a string as written, without its quotes, of what is at
// offset n of its text.
func RawOffset(raw []byte, n int) int {
	i := 0
	for n > 0 && i < len(raw) {
		if raw[i] != '\\' {
			i++
			n--
			continue
		}
		size := 2
		if i+1 < len(raw) && raw[i+1] == 'u' {
			size = 6
			if r, ok := hex4(raw, i+2); ok && utf16.IsSurrogate(r) {
				size = 12
			}
		}
		n -= len(appendUnescaped(nil, raw[i:min(i+size, len(raw))]))
		i += size
	}
	return min(i, len(raw))
}
