package bundle

import (
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// Outcome is what becomes of an entry.
type Outcome uint8

// Outcomes of entries.
const (
	Rejected Outcome = iota // cannot be taken: see Problem
	Ignored                 // has nothing to store
	Stored
	Deleted
)

// Entry is one element of Bundle.entry. Its bytes are valid during the call that it is
// handed to.
type Entry struct {
	Ordinal int32 // n for the nth, from 1; -n in a history Bundle, unless its oldest is first; see fhirmsg.Ordinal
	Raw     []byte
	Outcome Outcome
	Problem *fhirmsg.Issue // of what is rejected; its offset is that in the Bundle's document

	// The key, of what is rejected as far as it is known.
	Type, ID []byte

	Resource     lex.Value // where the resource is in the Bundle's document
	Body         []byte    // of what is stored: the resource with references rewritten
	Hash         fhirmsg.Hash
	Subsetted    bool
	LastUpdated  lex.Value // meta.lastUpdated
	LastModified lex.Value // response.lastModified, the next best; in a history perhaps of an entry beside it

	// Warnings counts what is wrong with the entry and does not keep it from being taken.
	Warnings int64

	Start int // offset in the Bundle's document

	index int
}

// reject sets the outcome. Element is the path below the entry; at is 0 for the entry's own
// beginning.
func (e *Entry) reject(code, text, element string, at int) {
	if at == 0 {
		at = e.Start
	}
	path := fmt.Sprintf("Bundle.entry[%d]", e.index)
	if element != "" {
		path += "." + element
	}
	e.Outcome, e.Problem = Rejected, issue(code, text, path, at)
}
