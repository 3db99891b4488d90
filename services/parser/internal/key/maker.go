package key

import (
	"crypto/sha1" // what RFC 9562 asks for in version 5; no secret depends on it
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// namespace is that of all ids made here: version 5, in the namespace for URLs, of
// https://github.com/stoker-fhir/stoker.
var namespace = [16]byte{0x2d, 0x9d, 0x6f, 0x57, 0xf9, 0x9c, 0x5d, 0xb5, 0x95, 0x95, 0xcf, 0xab, 0x55, 0x99, 0x42, 0x21}

// Maker makes ids for the resources of one supplier: UUIDs, version 5 (RFC 9562, section
// 5.5), in the supplier's namespace, which is the version 5 UUID of its name.
type Maker struct{ space [16]byte }

// NewMaker returns the maker of a supplier.
func NewMaker(supplier string) Maker { return Maker{uuid5(namespace, supplier)} }

// FromURL makes the id of what the supplier names by a Bundle entry's fullUrl.
func (m Maker) FromURL(fullURL []byte) []byte { return format(uuid5(m.space, string(fullURL))) }

// FromCondition makes the id of what the supplier names by a search, as in a conditional
// update or create. Searches with the same parameters, whatever their order and encoding,
// name the same. A parameter without a value says nothing, as for a FHIR server; a search
// of nothing else is an error, since it would be one name for all.
func (m Maker) FromCondition(resourceType, query string) ([]byte, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errors.New("not a valid query")
	}
	for name, v := range values {
		v = slices.DeleteFunc(v, func(s string) bool { return s == "" })
		slices.Sort(v)
		values[name] = v
		if len(v) == 0 {
			delete(values, name)
		}
	}
	if len(values) == 0 {
		return nil, errors.New("no parameter with a value")
	}
	return format(uuid5(m.space, resourceType+"?"+values.Encode())), nil // sorted by name
}

// FromContent makes the id of what has no name at all: the same content is the same
// resource.
func (m Maker) FromContent(resourceType string, hash fhirmsg.Hash) []byte {
	return format(uuid5(m.space, strings.Join([]string{"content", resourceType, hash.String()}, ":")))
}

// Scoped makes the id of what the supplier calls Type/id, under the key policy scoped.
func (m Maker) Scoped(resourceType, id []byte) []byte {
	return format(uuid5(m.space, string(resourceType)+"/"+string(id)))
}

func uuid5(space [16]byte, name string) [16]byte {
	h := sha1.New()
	h.Write(space[:])
	h.Write([]byte(name))
	id := [16]byte(h.Sum(nil)[:16])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

func format(id [16]byte) []byte {
	text := make([]byte, 0, 36)
	text = hex.AppendEncode(text, id[:4])
	for _, part := range [][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		text = append(text, '-')
		text = hex.AppendEncode(text, part)
	}
	return text
}
