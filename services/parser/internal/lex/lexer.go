package lex

import (
	"math"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// MaxDepth is how deep arrays and objects may be nested. PostgreSQL's jsonb recurses.
const MaxDepth = 128

// MaxKept is the largest buffer in bytes kept from one document to the next, so that one
// large document does not hold its memory for ever.
const MaxKept = 4 << 20

// Lexer reads the tokens of one document after the other. It keeps its buffers: use one for
// each goroutine. The zero Lexer is ready.
type Lexer struct {
	Doc     []byte
	Err     *Error
	Escaped bool // the string read last has escapes

	names []name // of the objects that are open, innermost last
	text  []byte // names and strings after unescaping

	spaces  bool   // there is insignificant white space
	compact []byte // if so, the document without it as far as Doc[:copied]
	copied  int
}

// Reset begins a document. It returns false for one that is too long for offsets.
func (l *Lexer) Reset(doc []byte) bool {
	l.Doc, l.Err = doc, nil
	l.names = Keep(l.names, 1<<16)
	l.text = Keep(l.text, MaxKept)
	l.compact = Keep(l.compact, MaxKept)
	l.spaces, l.copied = false, 0
	if int64(len(doc)) > math.MaxInt32 {
		l.Refuse(0, "too-long", "longer than 2 GiB")
		return false
	}
	return true
}

// End ends a document whose value ends at i. It returns false if anything follows.
func (l *Lexer) End(i int) bool {
	if rest := l.Space(i); rest != len(l.Doc) {
		l.Syntax(rest, "expected nothing after the end of the value")
		return false
	}
	if l.spaces {
		l.compact = append(l.compact, l.Doc[l.copied:]...)
	}
	return true
}

// Keep returns the empty buffer again, or nil where it has grown over limit elements.
func Keep[T any](buf []T, limit int) []T {
	if cap(buf) > limit {
		return nil
	}
	return buf[:0]
}

// Compact returns the document that ended last without insignificant white space. It is
// valid until the next Reset.
func (l *Lexer) Compact() []byte {
	if l.spaces {
		return l.compact
	}
	return l.Doc
}

// Hash is the content hash of the document that ended last: [fhirmsg.HashOf] its bytes
// without insignificant white space.
func (l *Lexer) Hash() fhirmsg.Hash { return fhirmsg.HashOf(l.Compact()) }

// At returns the byte at i, or 0 at the document's end: no token begins with 0, so both
// end where something was expected.
func (l *Lexer) At(i int) byte {
	if uint(i) < uint(len(l.Doc)) {
		return l.Doc[i]
	}
	return 0
}

// Space returns the offset of the next byte that is not white space.
func (l *Lexer) Space(i int) int {
	if l.At(i) > ' ' {
		return i
	}
	return l.skipSpace(i)
}

func (l *Lexer) skipSpace(i int) int {
	end := skipSpace(l.Doc, i)
	if end > i {
		l.spaces = true
		l.compact = append(l.compact, l.Doc[l.copied:i]...)
		l.copied = end
	}
	return end
}

// Literal reads the literal at i: true, false or null, whichever is wanted.
func (l *Lexer) Literal(i int, want string) int {
	end := i + len(want)
	if end > len(l.Doc) || string(l.Doc[i:end]) != want {
		return l.Syntax(i, "expected true, false or null")
	}
	return end
}

// TooDeep refuses the array or object at i, which is nested deeper than [MaxDepth].
func (l *Lexer) TooDeep(i int) int {
	return l.Refuse(i, "structure", "nested too deep: at most 128 objects and arrays within one another")
}

// Text returns the text of the string Doc[start:end], quotes included, that was read last.
func (l *Lexer) Text(start, end int) []byte {
	raw := l.Doc[start+1 : end-1]
	if !l.Escaped {
		return raw
	}
	from := len(l.text)
	l.text = appendUnescaped(l.text, raw)
	return l.text[from:len(l.text):len(l.text)]
}

// Value returns the value Doc[start:end] that was read last.
func (l *Lexer) Value(start, end int) Value {
	v := Value{Kind: KindOf(l.Doc[start]), Start: start, End: end}
	if v.Kind == String {
		v.Text = l.Text(start, end)
	}
	return v
}
