package conformance

import (
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// objectSite is an object of a resource, with what the definitions say of it.
type objectSite struct {
	node    *node
	typ     *fhirdef.Type
	element *fhirdef.Element // that it is a value of; nil for the resource itself
	path    string           // FHIRPath, as an issue has it
	within  *objectSite      // the object around it, or nil
}

// valueSite is the value of a member of an object, or an item of it.
type valueSite struct {
	object *objectSite
	member *fhirdef.Member
	node   *node
	index  int // of an item, or -1 for the value of the member as a whole
	path   string
}

// sites are the places of a resource where something can be changed.
type sites struct {
	root    *node
	objects []*objectSite
	values  []*valueSite
}

// childPath is the path of a member's value or, with an index of 0 or more, of an item of it.
func childPath(of string, m *fhirdef.Member, index int) string {
	path := of + "." + m.Element.Name
	if index >= 0 {
		path += "[" + strconv.Itoa(index) + "]"
	}
	if m.Element.Choice {
		path += ".ofType(" + m.Type.Name + ")"
	}
	return path
}

// isResource reports whether an object is a whole resource.
func (s *objectSite) isResource() bool { return s.typ.Kind == fhirdef.Resource }

// isContained reports whether an object is a resource in .contained.
func (s *objectSite) isContained() bool {
	return s.isResource() && s.element != nil && s.element.Name == "contained"
}

// walk finds the places of a resource. Of a resource that the definitions do not know there
// are none.
func walk(d *fhirdef.Definitions, root *node) *sites {
	s := &sites{root: root}
	if t := d.Resource([]byte(root.get("resourceType").string())); t != nil {
		s.object(d, &objectSite{node: root, typ: t, path: t.Name})
	}
	return s
}

func (s *sites) object(d *fhirdef.Definitions, o *objectSite) {
	s.objects = append(s.objects, o)
	for _, m := range o.node.members {
		name, companion := strings.CutPrefix(m.name, "_")
		def := o.typ.Member([]byte(name))
		if def == nil {
			continue
		}
		v := &valueSite{object: o, member: def, node: m.value, index: -1, path: childPath(o.path, def, -1)}
		if !companion {
			s.values = append(s.values, v)
		}
		if m.value.kind != array {
			s.item(d, v, companion)
			continue
		}
		for i, item := range m.value.items {
			w := &valueSite{object: o, member: def, node: item, index: i, path: childPath(o.path, def, i)}
			if !companion && !item.isNull() {
				s.values = append(s.values, w)
			}
			s.item(d, w, companion)
		}
	}
}

// item goes into a value that is an object.
func (s *sites) item(d *fhirdef.Definitions, v *valueSite, companion bool) {
	if v.node.kind != object {
		return
	}
	t := v.member.Type
	switch {
	case companion:
		t = d.Type("Element")
	case t.Kind == fhirdef.AnyResource:
		t = d.Resource([]byte(v.node.get("resourceType").string()))
	}
	if t == nil {
		return
	}
	s.object(d, &objectSite{node: v.node, typ: t, element: v.member.Element, path: v.path, within: v.object})
}
