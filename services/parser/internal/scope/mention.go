package scope

import (
	"bytes"
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// mention rewrites the id in a text that means a resource of the supplier: Type/id or
// Type/id/_history/n, alone or behind a beginning of the supplier's own. What own ends with is
// part of what is read: a type.
func (s *Scoper) mention(v lex.Value, own string) {
	typ, from, to, ok := s.find(v.Text, own)
	if !ok {
		return
	}
	id := v.Text[from:to]
	if bytes.IndexByte(id, '%') >= 0 {
		if plain, err := url.PathUnescape(string(id)); err == nil { // else it is an id with a percent sign
			id = []byte(plain)
		}
	}
	if key.Fault(id) != "" {
		return // nothing can be stored under it
	}
	scoped := s.ID(typ, id)
	if len(v.Text) == v.End-v.Start-2 { // as written: there are no escapes
		s.edit(v.Start+1+from, v.Start+1+to, func(text []byte) []byte { return append(text, scoped...) })
		return
	}
	s.edit(v.Start, v.End, func(text []byte) []byte {
		text = append(text, '"')
		text = appendEscaped(text, v.Text[:from])
		text = append(text, scoped...)
		text = appendEscaped(text, v.Text[to:])
		return append(text, '"')
	})
}

// find returns the type that a text names, and where its id is.
func (s *Scoper) find(text []byte, own string) (typ []byte, from, to int, ok bool) {
	begin := 0
	if own != "" && bytes.HasPrefix(text, []byte(own)) {
		begin = len(s.base)
	}
	slash := bytes.IndexByte(text[begin:], '/')
	if slash < 0 {
		return nil, 0, 0, false
	}
	typ, from = text[begin:begin+slash], begin+slash+1
	if !fhirdef.IsResourceType(s.version, typ) {
		return nil, 0, 0, false
	}
	to = len(text)
	if n := bytes.IndexAny(text[from:], "/#?"); n >= 0 {
		to = from + n
	}
	id, rest := text[from:to], text[to:]
	switch {
	case len(id) == 0, id[0] == '$', string(id) == "_search", string(id) == "_history": // not an id, but something to do
		return nil, 0, 0, false
	case len(rest) > 0 && rest[0] == '/' && !bytes.HasPrefix(rest, []byte("/_history/")) && !bytes.HasPrefix(rest, []byte("/$")):
		return nil, 0, 0, false
	}
	return typ, from, to, true
}

// appendEscaped appends a part of a JSON string. Control characters are written as numbers.
func appendEscaped(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
