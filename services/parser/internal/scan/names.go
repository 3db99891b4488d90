package scan

import (
	"bytes"
	"cmp"
	"slices"
)

// name is the name of a member of an object that is open.
type name struct {
	at   int32 // in doc, behind the quote
	size int32 // after unescaping
	text int32 // in Scanner.text if it has escapes, else -1
}

func (s *Scanner) nameText(n name) []byte {
	if n.text >= 0 {
		return s.text[n.text : n.text+n.size]
	}
	return s.doc[n.at : n.at+n.size]
}

// note remembers the name that is doc[start:end], just scanned, and returns its text.
func (s *Scanner) note(start, end int) []byte {
	n := name{at: int32(start), size: int32(end - start), text: -1}
	if s.escaped {
		n.text = int32(len(s.text))
		s.text = appendUnescaped(s.text, s.doc[start:end])
		n.size = int32(len(s.text)) - n.text
	}
	s.names = append(s.names, n)
	return s.nameText(n)
}

// smallObject is up to how many names each is compared with those before it. The names of
// larger objects are sorted at their end, so that no object takes quadratic time.
const smallObject = 32

// seenNames are the names of one object: those of Scanner.names from first on.
type seenNames struct {
	first  int
	filter uint64 // a bit for each name; one that is not set spares comparing
}

// repeated reports whether the name noted last is the same as one before it in a small
// object.
func (s *Scanner) repeated(seen *seenNames, text []byte) bool {
	bit := uint64(1)
	if n := len(text); n > 0 {
		bit <<= (text[0] ^ text[n-1]<<2 ^ byte(n)<<4 ^ text[n/2]) & 63
	}
	if seen.filter&bit == 0 {
		seen.filter |= bit
		return false
	}
	last := len(s.names) - 1
	if last-seen.first >= smallObject {
		return false
	}
	for _, n := range s.names[seen.first:last] {
		if int(n.size) == len(text) && bytes.Equal(s.nameText(n), text) {
			return true
		}
	}
	return false
}

// forget ends an object. It returns false if a large one has a name twice.
func (s *Scanner) forget(seen seenNames) bool {
	names := s.names[seen.first:]
	s.names = s.names[:seen.first]
	if len(names) <= smallObject {
		return true
	}
	slices.SortFunc(names, func(a, b name) int {
		if c := bytes.Compare(s.nameText(a), s.nameText(b)); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	repeated := int32(-1) // the first in the document, whatever the order of the names
	for i := 1; i < len(names); i++ {
		if bytes.Equal(s.nameText(names[i-1]), s.nameText(names[i])) && (repeated < 0 || names[i].at < repeated) {
			repeated = names[i].at
		}
	}
	if repeated >= 0 {
		s.duplicate(int(repeated)-1, 0, nil)
		return false
	}
	return true
}

// duplicate records a name that occurs twice. It is shown where it is a name that FHIR
// gives to an element there.
func (s *Scanner) duplicate(i int, f field, name []byte) int {
	msg := "a name occurs twice in one object: expected each once"
	if f != unknown {
		msg = `the name "` + string(name) + `" occurs twice in one object: expected each once`
	}
	return s.refuse(i, "structure", msg)
}
