package resource

import (
	"strconv"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// frame is an object that is open and checked.
type frame struct {
	typ     *fhirdef.Type
	element *fhirdef.Element // that it is a value of; nil for the document

	// The member in hand. It is nil for one that is unknown.
	member *fhirdef.Member
	index  int32 // in its array, or -1

	// Elements by their Index.
	seen       uint64 // there, by a value or a companion
	valued     uint64 // with a value
	companions uint64 // with a companion: the member with an underscore
	nulls      uint64 // with a null in an array of primitives
	meant      uint64 // that a misspelt name probably means

	broken bool // a member is not what it must be: rules on members together are not judged
	odd    bool // a member is unknown
	coded  bool // of a CodeableConcept: a coding is of the required value set, or is wrong otherwise
	before int  // issues when it began

	resourceFrame

	step   int32                                // of the member in hand, in Reader.steps, if it is that one
	at     [fhirdef.MaxElements]int32           // offsets of the valued ones
	with   [fhirdef.MaxElements]int32           // offsets of the companions
	choice [fhirdef.MaxElements]*fhirdef.Member // of the seen ones of several types, which
}

// resourceFrame is what the frame of a resource has besides.
type resourceFrame struct {
	isContained bool
	outer       int  // scope of what surrounds a resource that is not contained
	kept        int  // issues
	hasError    bool // among them
	mentions    int  // numbers of Reader.mentions and so on when it began
	steps       int
	contained   int
	hasSelf     bool // a contained one refers to the resource that contains it
	unclear     bool // something is wrong in what is contained, so there may be more than was read
}

// open begins the object at i. It returns nil for a resource of unknown type.
func (r *Reader) open(i int, t *fhirdef.Type, e *fhirdef.Element) *frame {
	if t.Kind == fhirdef.AnyResource {
		named := lex.Find(r.Doc, i, "resourceType")
		if t = r.definitions.Resource(named.Text); t == nil {
			if e != nil { // else the caller judges
				at := i
				if named.Kind != lex.Absent {
					at = named.Start
				}
				r.report(at, "error", "structure", "resourceType must be there and name a type of resource")
			}
			return nil
		}
	}
	r.top++
	f := &r.frames[r.top]
	f.typ, f.element, f.member, f.index = t, e, nil, -1
	f.seen, f.valued, f.companions, f.nulls, f.meant = 0, 0, 0, 0, 0
	f.broken, f.odd, f.coded, f.before = false, false, false, len(r.issues)
	if t.Kind == fhirdef.Resource {
		r.openResource(f)
	}
	return f
}

// parent is the frame around the one in hand.
func (r *Reader) parent() *frame {
	if r.top == 0 {
		return nil
	}
	return &r.frames[r.top-1]
}

// step is a part of a path: a member, and the step before it or -1. Paths share their beginnings.
type step struct {
	member *fhirdef.Member
	index  int32
	before int32
}

func (s step) appendTo(path []byte) []byte {
	path = append(append(path, '.'), s.member.Element.Name...)
	if s.index >= 0 {
		path = append(strconv.AppendInt(append(path, '['), int64(s.index), 10), ']')
	}
	if s.member.Element.Choice {
		path = append(append(append(path, ".ofType("...), s.member.Type.Name...), ')')
	}
	return path
}

// path is the FHIRPath expression of the object in hand, and of its member in hand if that
// is known.
func (r *Reader) path() []byte {
	if r.top < 0 {
		return nil
	}
	path := []byte(r.frames[0].typ.Name)
	for i := range r.frames[:r.top+1] {
		if f := &r.frames[i]; f.member != nil {
			path = step{member: f.member, index: f.index}.appendTo(path)
		}
	}
	return path
}
