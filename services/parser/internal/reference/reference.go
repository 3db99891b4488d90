package reference

import (
	"bytes"

	"github.com/stoker-fhir/stoker/services/parser/internal/primitive"
)

// Kind is which kind of address a reference is.
type Kind uint8

// Kinds of references. The zero value has none: see [Reference].Fault.
const (
	None        Kind = iota
	Fragment         // #id: a contained resource; # alone is the resource that contains this one
	Relative         // Patient/1 or Patient/1/_history/2: on the same server
	Absolute         // http or https; it has a type if it ends as a relative one does
	URN              // urn:uuid: or urn:oid: in their own form, or another urn:
	Other            // another scheme, such as mailto or cid
	Conditional      // Patient?identifier=1: to be looked up when the transaction is carried out
)

// Reference is what a text says. The slices are parts of it, nil where there is none.
type Reference struct {
	Kind    Kind
	Type    []byte // name in the form of a type of resource; whether there is one is not judged
	ID      []byte // without #
	Version []byte
	Query   []byte // of a conditional one, without ?
	Fault   string // what was expected, if the text is no reference, or ""
}

// What is expected of references.
const (
	wantReference = "must be a reference: Type/id, #id, an absolute URL, a urn: or Type?query"
	wantNoSpace   = "must be a reference, which has no white space"
	wantHost      = "must be an absolute URL with a host: http://host/path"
	wantURN       = "must be a URN: urn:name:text"
	wantUUID      = "must be urn:uuid: and 32 hexadecimal digits, grouped 8-4-4-4-12"
	wantOID       = "must be urn:oid: and numbers from 0, 1 or 2 on, with dots between"
	wantQuery     = "must be a conditional reference with a query: Type?name=value"
)

// Parse reads the text of Reference.reference, unescaped.
func Parse(text []byte) Reference {
	first := len(text)
	for i, c := range text {
		switch class[c] {
		case space:
			return fault(wantNoSpace)
		case mark:
			first = min(first, i)
		}
	}
	if first == len(text) {
		return fault(wantReference)
	}
	switch start := text[:first]; text[first] {
	case '#':
		if first == 0 {
			return Reference{Kind: Fragment, ID: text[1:]}
		}
	case '/':
		r := Reference{Kind: Relative}
		if r.parseRelative(text) {
			return r
		}
	case '?':
		if isType(start) && first == len(text)-1 {
			return fault(wantQuery)
		}
		if isType(start) {
			return Reference{Kind: Conditional, Type: start, Query: text[first+1:]}
		}
	case ':':
		if isScheme(start) {
			return parseURI(text, first)
		}
	}
	return fault(wantReference)
}

func fault(expected string) Reference { return Reference{Fault: expected} }

// parseRelative reads Type/id or Type/id/_history/version. The length of ids is not judged:
// an id of more than 64 characters is the fault of the resource that has it, and is told
// there; one of the official examples refers to such a one.
func (r *Reference) parseRelative(text []byte) bool {
	typ, id, _ := bytes.Cut(text, []byte("/"))
	var version []byte
	if i := bytes.IndexByte(id, '/'); i >= 0 {
		var ok bool
		if version, ok = bytes.CutPrefix(id[i:], []byte("/_history/")); !ok || !isID(version) {
			return false
		}
		id = id[:i]
	}
	if !isType(typ) || !isID(id) {
		return false
	}
	r.Type, r.ID, r.Version = typ, id, version
	return true
}

// parseURI reads an address whose scheme ends at a colon.
func parseURI(text []byte, colon int) Reference {
	scheme, rest := text[:colon], text[colon+1:]
	switch {
	case isFold(scheme, "http"), isFold(scheme, "https"):
		return parseURL(rest)
	case isFold(scheme, "urn"):
		return parseURN(text, rest)
	case len(rest) == 0 || scheme[0] < 'a': // Patient:1 is no scheme, but a slip
		return fault(wantReference)
	}
	return Reference{Kind: Other}
}

// parseURL reads what is behind http: or https:, and the type and id at its end: those of a
// RESTful server, "[base]/[type]/[id]".
func parseURL(rest []byte) Reference {
	if len(rest) < 3 || rest[0] != '/' || rest[1] != '/' || rest[2] == '/' || rest[2] == '?' || rest[2] == '#' {
		return fault(wantHost)
	}
	path := rest[2:]
	r := Reference{Kind: Absolute}
	if bytes.IndexByte(path, '?') < 0 && bytes.IndexByte(path, '#') < 0 && !r.parseRelative(tail(path, 2)) {
		r.parseRelative(tail(path, 4))
	}
	return r
}

// tail returns the last segments of host/path, or nothing if there are not as many behind
// the host.
func tail(path []byte, segments int) []byte {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if segments--; segments == 0 {
				return path[i+1:]
			}
		}
	}
	return nil
}

// parseURN reads a URN (RFC 8141) whose name and text are the rest. Hexadecimal digits of a
// UUID may be capitals, as RFC 4122 has readers take them; FHIR's own type uuid is stricter.
func parseURN(urn, rest []byte) Reference {
	i := bytes.IndexByte(rest, ':')
	if i < 1 || i == len(rest)-1 {
		return fault(wantURN)
	}
	switch name := rest[:i]; {
	case isFold(name, "uuid") && !isUUID(rest[i+1:]):
		return fault(wantUUID)
	case isFold(name, "oid") && !primitive.IsOID(urn):
		return fault(wantOID)
	}
	return Reference{Kind: URN}
}
