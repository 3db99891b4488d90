package scan

import (
	"math"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// MaxDepth is how deep arrays and objects may be nested. PostgreSQL's jsonb recurses.
const MaxDepth = 128

// maxKept is the largest buffer in bytes kept from one document to the next, so that one
// large document does not hold its memory for ever.
const maxKept = 4 << 20

// Kind is what a JSON value is.
type Kind uint8

// Kinds of values. The zero value is the absence of one.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is where a value is in its document.
type Value struct {
	Kind       Kind
	Start, End int    // of the token as written, quotes included
	Text       []byte // of a string, without quotes and escapes
}

// Document is what was looked for in a document. What was not there has kind [Absent].
type Document struct {
	Kind         Kind // of the document itself
	Start, End   int  // of the document without white space around it
	ResourceType Value
	ID           Value
	LastUpdated  Value // meta.lastUpdated
	Type         Value // of a Bundle
	Entry        Value // of a Bundle
	Subsetted    bool  // meta.tag says that the resource is incomplete
	Header       bool  // it has a parameter named header (Parameters)
	// URNs are the strings that are values of members named "reference" and begin with
	// urn:, in their order.
	URNs []Value
}

// Scanner scans one document after the other. It keeps its buffers: use one for each
// goroutine. The zero Scanner is ready.
type Scanner struct {
	doc []byte
	out Document
	err *Error

	escaped bool   // the string scanned last has escapes
	names   []name // of the objects that are open, innermost last
	text    []byte // names and strings after unescaping
	tagged  tag    // what is known of the element of meta.tag in hand

	spaces  bool   // there is insignificant white space
	compact []byte // if so, the document without it as far as doc[:copied]
	copied  int
}

// Scan reads a document; see BenchmarkScan for how fast. Where there is an error, an [*Error], the Document holds what was found
// before it. The Document, and the texts in it, are valid until the next Scan.
func (s *Scanner) Scan(doc []byte) (*Document, error) {
	s.reset(doc)
	if int64(len(doc)) > math.MaxInt32 {
		s.refuse(0, "too-long", "longer than 2 GiB")
		return &s.out, s.err
	}
	start := s.space(0)
	end := s.value(start, root, 0)
	if end == failed {
		return &s.out, s.err
	}
	if rest := s.space(end); rest != len(doc) {
		s.syntax(rest, "expected nothing after the end of the value")
		return &s.out, s.err
	}
	s.out.Kind, s.out.Start, s.out.End = kindOf(doc[start]), start, end
	if s.spaces {
		s.compact = append(s.compact, doc[s.copied:]...)
	}
	return &s.out, nil
}

func (s *Scanner) reset(doc []byte) {
	urns := s.out.URNs[:0]
	s.doc, s.out, s.err = doc, Document{}, nil
	s.out.URNs = keep(urns, 1<<12)
	s.names = keep(s.names, 1<<16)
	s.text = keep(s.text, maxKept)
	s.compact = keep(s.compact, maxKept)
	s.spaces, s.copied, s.tagged = false, 0, 0
}

// keep returns the empty buffer again, or nil where it has grown over limit elements.
func keep[T any](buf []T, limit int) []T {
	if cap(buf) > limit {
		return nil
	}
	return buf[:0]
}

// Compact returns the document scanned last without insignificant white space. It is valid
// until the next Scan.
func (s *Scanner) Compact() []byte {
	if s.spaces {
		return s.compact
	}
	return s.doc
}

// Hash is the content hash of the document scanned last: [fhirmsg.HashOf] its bytes without
// insignificant white space.
func (s *Scanner) Hash() fhirmsg.Hash { return fhirmsg.HashOf(s.Compact()) }

// at returns the byte at i, or 0 at the document's end: no token begins with 0, so both
// end where something was expected.
func (s *Scanner) at(i int) byte {
	if uint(i) < uint(len(s.doc)) {
		return s.doc[i]
	}
	return 0
}

// space returns the offset of the next byte that is not white space.
func (s *Scanner) space(i int) int {
	if s.at(i) > ' ' {
		return i
	}
	return s.skipSpace(i)
}

func (s *Scanner) skipSpace(i int) int {
	end := skipSpace(s.doc, i)
	if end > i {
		s.spaces = true
		s.compact = append(s.compact, s.doc[s.copied:i]...)
		s.copied = end
	}
	return end
}

func kindOf(first byte) Kind {
	switch first {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	default:
		return Number
	}
}

// Document is what was found in the document scanned last; see [Scanner.Scan].
func (s *Scanner) Document() *Document { return &s.out }
