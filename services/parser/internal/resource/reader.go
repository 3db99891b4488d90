package resource

import (
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/invariant"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// Document is what was looked for in a document. What was not there has kind [lex.Absent].
type Document struct {
	Kind         lex.Kind // of the document itself
	Start, End   int      // of the document without white space around it
	ResourceType lex.Value
	ID           lex.Value
	LastUpdated  lex.Value // meta.lastUpdated
	Type         lex.Value // of a Bundle
	Entry        lex.Value // of a Bundle
	Subsetted    bool      // meta.tag says that the resource is incomplete
	Header       bool      // it has a parameter named header (Parameters)
	// URNs are the strings that are values of members named "reference" and begin with
	// urn:, in their order.
	URNs []lex.Value
}

// Reader reads one document after the other. It keeps its buffers: use one for each
// goroutine. The zero Reader is ready to read without checking.
type Reader struct {
	lex.Lexer
	out    Document
	tagged tag // what is known of the element of meta.tag in hand
	checker
}

// checker is what checking needs besides.
type checker struct {
	definitions *fhirdef.Definitions
	invariants  *invariant.Set
	types       types

	frames []frame // of the objects that are open and checked
	top    int     // the innermost of them, -1 if there is none
	scope  int     // the innermost one of a resource that is not contained

	issues    []Issue
	mentions  []mention // of #fragments, in the resources that are open
	steps     []step    // of their paths
	contained []containedResource
	filled    []Filled
	choices   []*fhirdef.Member // of filled
	dates     map[*fhirdef.Type][]int

	suggestions map[string]suggestion
	node        invariant.Node          // in hand
	onBroken    func(invariant.Finding) // what is done with what does not hold of it
}

// types are those that the specification has rules for in words.
type types struct {
	anyResource, element, coding, codeableConcept, quantity, reference, meta *fhirdef.Type

	comparator uint64 // the bit of Quantity.comparator
}

// NewReader returns a reader that can check against definitions. An error says that they are not
// those that the rules were written for.
func NewReader(d *fhirdef.Definitions) (*Reader, error) {
	invariants, err := invariant.New(d)
	if err != nil {
		return nil, fmt.Errorf("invariants of FHIR %s: %w", d.Version, err)
	}
	r := &Reader{checker: checker{
		definitions: d,
		invariants:  invariants,
		types:       typesOf(d),
		dates:       dates(d),
		frames:      make([]frame, lex.MaxDepth+1),
		suggestions: map[string]suggestion{},
	}}
	r.onBroken = r.broken
	return r, nil
}

func typesOf(d *fhirdef.Definitions) types {
	t := types{
		anyResource: d.Type("Resource"), element: d.Type("Element"), coding: d.Type("Coding"),
		codeableConcept: d.Type("CodeableConcept"), quantity: d.Type("Quantity"), reference: d.Type("Reference"), meta: d.Type("Meta"),
	}
	t.comparator = 1 << t.quantity.Member([]byte("comparator")).Element.Index
	return t
}

// Read reads a document, and checks it if that is asked for; see BenchmarkRead for how fast. Where there is an error, a
// [*lex.Error], the Document holds what was found before it. The Document, the texts in it and the issues are valid
// until the next Read.
func (r *Reader) Read(doc []byte, check bool) (*Document, error) {
	urns := r.out.URNs[:0]
	r.out = Document{URNs: lex.Keep(urns, 1<<12)}
	r.tagged = 0
	r.resetChecks()
	if !r.Reset(doc) {
		return &r.out, r.Err
	}
	start := r.Space(0)
	var end int
	if check && r.At(start) == '{' {
		end = r.object(start, root, r.types.anyResource, nil, 1)
	} else {
		end = r.value(start, root, 0)
	}
	if end == lex.Failed || !r.End(end) {
		return &r.out, r.Err
	}
	r.out.Kind, r.out.Start, r.out.End = lex.KindOf(doc[start]), start, end
	return &r.out, nil
}

// Document is what was found in the document read last; see [Reader.Read].
func (r *Reader) Document() *Document { return &r.out }
