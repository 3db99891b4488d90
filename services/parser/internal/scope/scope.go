package scope

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// Scoper rewrites one document after the other. It keeps its buffers: use one for each
// goroutine.
type Scoper struct {
	lex.Lexer
	reader resource.Reader // of what was rewritten

	ids     key.Maker
	version string // of FHIR
	base    string // of the supplier's own server, with a slash at its end; "" is not known

	edits []edit
	texts []byte // of the edits
	out   []byte
}

// edit replaces Doc[start:end] by texts[from:to].
type edit struct{ start, end, from, to int }

// New returns a scoper for an import.
func New(imp fhirmsg.Import, ids key.Maker) *Scoper {
	s := &Scoper{ids: ids, version: imp.FHIRVersion}
	if imp.Base != "" {
		s.base = strings.TrimRight(imp.Base, "/") + "/"
	}
	return s
}

// Base is the URL of the supplier's own server, with a slash at its end, or "".
func (s *Scoper) Base() string { return s.base }

// ID is the id of a resource that the supplier calls so.
func (s *Scoper) ID(resourceType, id []byte) []byte { return s.ids.Scoped(resourceType, id) }

// errNotRead is of a document that was not read without error before.
var errNotRead = errors.New("a document to be rewritten is not valid JSON")

// Rewrite returns a resource that was read without error with its id and its references rewritten, and
// its content hash. The bytes are valid until the next Rewrite, or the document's own.
func (s *Scoper) Rewrite(doc []byte) (rewritten []byte, hash fhirmsg.Hash, err error) {
	s.edits, s.texts, s.out = lex.Keep(s.edits, 1<<16), lex.Keep(s.texts, lex.MaxKept), lex.Keep(s.out, lex.MaxKept)
	if !s.Reset(doc) {
		return nil, hash, errNotRead
	}
	if end := s.value(s.Space(0), place{resource: true}); end == lex.Failed || !s.End(end) {
		return nil, hash, errNotRead
	}
	if len(s.edits) == 0 {
		return doc, s.Hash(), nil
	}
	slices.SortFunc(s.edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) }) // an id may come behind what surrounds it
	copied := 0
	for _, e := range s.edits {
		s.out = append(s.out, doc[copied:e.start]...)
		s.out = append(s.out, s.texts[e.from:e.to]...)
		copied = e.end
	}
	s.out = append(s.out, doc[copied:]...)
	if hash, err = s.hashOf(s.out); err != nil {
		return nil, hash, err
	}
	return s.out, hash, nil
}

// place is what is known of an object by where it is.
type place struct {
	resource  bool // it is a resource, if it has a resourceType
	contained bool // it is one in contained, or within one
	extension bool // its url is a name
}

func (s *Scoper) value(i int, p place) int {
	switch s.At(i) {
	case '{':
		return s.object(i, p)
	case '[':
		return s.array(i, p)
	case '"':
		return s.String(i + 1)
	case 't':
		return s.Literal(i, "true")
	case 'f':
		return s.Literal(i, "false")
	case 'n':
		return s.Literal(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.Number(i)
	default:
		return lex.Failed
	}
}

func (s *Scoper) array(i int, p place) int {
	for i = s.Space(i + 1); s.At(i) != ']'; i = s.Space(i) {
		if i = s.value(i, p); i == lex.Failed {
			return lex.Failed
		}
		if i = s.Space(i); s.At(i) == ',' {
			i = s.Space(i + 1)
		} else if s.At(i) != ']' {
			return lex.Failed
		}
	}
	return i + 1
}

func (s *Scoper) object(i int, p place) int {
	var id lex.Value
	var typ []byte
	for i = s.Space(i + 1); s.At(i) != '}'; {
		if s.At(i) != '"' {
			return lex.Failed
		}
		nameAt := i
		if i = s.String(i + 1); i == lex.Failed {
			return lex.Failed
		}
		name := s.Text(nameAt, i)
		if i = s.Space(i); s.At(i) != ':' {
			return lex.Failed
		}
		start := s.Space(i + 1)
		if i = s.value(start, p.within(name)); i == lex.Failed {
			return lex.Failed
		}
		if s.Doc[start] == '"' {
			switch v := s.Value(start, i); string(name) {
			case "resourceType":
				typ = v.Text
			case "id":
				id = v
			case "reference", "fullUrl":
				s.mention(v, s.base)
			case "url":
				if !p.resource && !p.extension { // else it is its canonical name
					s.mention(v, s.binaries())
				}
			}
		}
		if i = s.Space(i); s.At(i) == ',' {
			i = s.Space(i + 1)
		} else if s.At(i) != '}' {
			return lex.Failed
		}
	}
	if p.resource && !p.contained && typ != nil && id.Kind == lex.String {
		s.edit(id.Start, id.End, func(text []byte) []byte { return append(append(append(text, '"'), s.ID(typ, id.Text)...), '"') })
	}
	return i + 1
}

// within is the place of the value, or of the values, of a member.
func (p place) within(name []byte) place {
	switch string(name) {
	case "contained":
		return place{resource: true, contained: true}
	case "resource":
		return place{resource: true, contained: p.contained}
	case "extension", "modifierExtension":
		return place{extension: true, contained: p.contained}
	default:
		return place{contained: p.contained}
	}
}

// binaries begins the absolute addresses that an attachment has of the supplier's own. Other urls on
// its server may be canonicals, as those of extensions are.
func (s *Scoper) binaries() string {
	if s.base == "" {
		return ""
	}
	return s.base + "Binary/"
}

// edit replaces a part of the document.
func (s *Scoper) edit(start, end int, appendText func([]byte) []byte) {
	from := len(s.texts)
	s.texts = appendText(s.texts)
	s.edits = append(s.edits, edit{start, end, from, len(s.texts)})
}

// hashOf is the content hash of a rewritten document: only where the original had insignificant white
// space is there any to leave out.
func (s *Scoper) hashOf(rewritten []byte) (hash fhirmsg.Hash, err error) {
	if len(s.Compact()) == len(s.Doc) {
		return fhirmsg.HashOf(rewritten), nil
	}
	if _, err := s.reader.Read(rewritten, false); err != nil {
		return hash, errNotRead
	}
	return s.reader.Hash(), nil
}
