package invariant

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

func definitions(t testing.TB) *fhirdef.Definitions {
	t.Helper()
	d, err := fhirdef.Load(fhirdef.R4)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tree is an object with those in it, for tests.
type tree struct {
	node     Node
	children []*tree
}

// read reads the object at an offset of valid JSON, without any check.
func read(d *fhirdef.Definitions, doc []byte, at int, t *fhirdef.Type) *tree {
	if t.Kind == fhirdef.AnyResource {
		if t = d.Resource(text(doc, member(doc, at, "resourceType"))); t == nil {
			return nil
		}
	}
	n := &tree{node: Node{Doc: doc, Type: t, Start: at, End: lex.At(doc, at).End, At: new([fhirdef.MaxElements]int32)}}
	for name, v := range members(doc, at) {
		companion := len(name) > 0 && name[0] == '_'
		if companion {
			name = name[1:]
		}
		m := t.Member(name)
		if m == nil {
			continue
		}
		n.node.Seen |= 1 << m.Element.Index
		if companion {
			continue
		}
		n.node.Valued |= 1 << m.Element.Index
		n.node.At[m.Element.Index] = int32(v)
		if m.Type.Kind.IsPrimitive() {
			continue
		}
		for e := range elements(doc, v) {
			if doc[e] == '{' {
				if child := read(d, doc, e, m.Type); child != nil {
					n.children = append(n.children, child)
				}
			}
		}
	}
	return n
}

// check returns the keys of the constraints that an object breaks.
func (n *tree) check(s *Set) []string {
	var keys []string
	s.Check(&n.node, func(f Finding) { keys = append(keys, f.Constraint.Key) })
	return keys
}

// checkAll calls found for what an object and those in it break.
func (n *tree) checkAll(s *Set, found func(t *fhirdef.Type, f Finding)) {
	s.Check(&n.node, func(f Finding) { found(n.node.Type, f) })
	for _, c := range n.children {
		c.checkAll(s, found)
	}
}
