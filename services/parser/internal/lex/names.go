package lex

import (
	"bytes"
	"cmp"
	"slices"
)

// name is the name of a member of an object that is open.
type name struct {
	at   int32 // in doc, behind the quote
	size int32 // after unescaping
	text int32 // in Lexer.text if it has escapes, else -1
}

func (l *Lexer) nameText(n name) []byte {
	if n.text >= 0 {
		return l.text[n.text : n.text+n.size]
	}
	return l.Doc[n.at : n.at+n.size]
}

// Names are the names of one object that is open.
type Names struct {
	first  int    // in Lexer.names
	filter uint64 // a bit for each name; one that is not set spares comparing
}

// OpenNames begins an object. Objects end in the reverse order, with [Lexer.CloseNames].
func (l *Lexer) OpenNames() Names { return Names{first: len(l.names)} }

// smallObject is up to how many names each is compared with those before it. The names of
// larger objects are sorted at their end, so that no object takes quadratic time.
const smallObject = 32

// Name returns the text of the name Doc[start:end], without quotes, that was read last, and
// whether the object has it already. For a large object CloseNames says so.
func (l *Lexer) Name(seen *Names, start, end int) (text []byte, repeated bool) {
	n := name{at: int32(start), size: int32(end - start), text: -1}
	if l.Escaped {
		n.text = int32(len(l.text))
		l.text = appendUnescaped(l.text, l.Doc[start:end])
		n.size = int32(len(l.text)) - n.text
	}
	l.names = append(l.names, n)
	text = l.nameText(n)
	bit := uint64(1)
	if n := len(text); n > 0 {
		bit <<= (text[0] ^ text[n-1]<<2 ^ byte(n)<<4 ^ text[n/2]) & 63
	}
	if seen.filter&bit == 0 {
		seen.filter |= bit
		return text, false
	}
	return text, l.isRepeated(seen, text)
}

func (l *Lexer) isRepeated(seen *Names, text []byte) bool {
	last := len(l.names) - 1
	if last-seen.first >= smallObject {
		return false
	}
	for _, n := range l.names[seen.first:last] {
		if int(n.size) == len(text) && bytes.Equal(l.nameText(n), text) {
			return true
		}
	}
	return false
}

// CloseNames ends an object. It returns false if a large one has a name twice.
func (l *Lexer) CloseNames(seen Names) bool {
	names := l.names[seen.first:]
	l.names = l.names[:seen.first]
	if len(names) <= smallObject {
		return true
	}
	slices.SortFunc(names, func(a, b name) int {
		if c := bytes.Compare(l.nameText(a), l.nameText(b)); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	repeated := int32(-1) // the first in the document, whatever the order of the names
	for i := 1; i < len(names); i++ {
		if bytes.Equal(l.nameText(names[i-1]), l.nameText(names[i])) && (repeated < 0 || names[i].at < repeated) {
			repeated = names[i].at
		}
	}
	if repeated >= 0 {
		l.Duplicate(int(repeated)-1, nil)
		return false
	}
	return true
}

// Duplicate refuses the name at i, which occurs twice. What is to be shown of it is not nil
// where it is a name that FHIR gives to an element.
func (l *Lexer) Duplicate(i int, shown []byte) int {
	msg := "a name occurs twice in one object: expected each once"
	if shown != nil {
		msg = `the name "` + string(shown) + `" occurs twice in one object: expected each once`
	}
	return l.Refuse(i, "structure", msg)
}
