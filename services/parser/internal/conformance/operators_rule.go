package conformance

import (
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// ruleOperators break rules on members together, on references and on what is contained.
func ruleOperators() []operator {
	return []operator{
		{name: "reference of no form", value: badReference("a b", "Patient", "patient/1", "Patient/", "/Patient/1", "urn:uuid:1", "urn:oid:x", "http://", "Patient/1/2", "Patient?")},
		{name: "reference to no type", value: badReference("Patients/1", "Foo?identifier=1", "HumanName/1", "DomainResource/1")},
		{name: "reference to a type that may not be", value: wrongTarget},
		{name: "reference to what is not contained (ref-1)", value: danglingReference},
		{name: "contained, not referred to (dom-3)", object: addContained},
		{name: "contained in contained (dom-2)", object: containInContained},
		{name: "meta.versionId of contained (dom-4)", object: containedMeta("versionId", text("1"))},
		{name: "meta.lastUpdated of contained (dom-4)", object: containedMeta("lastUpdated", text("2020-01-01T00:00:00Z"))},
		{name: "meta.security of contained (dom-5)", object: containedMeta("security", list(of("code", text("R"))))},
		{name: "extension without value (ext-1)", object: breaking("Extension", func(n *node) *node { return of("url", n.get("url")) })},
		{name: "extension with value and extension (ext-1)", object: breaking("Extension", func(n *node) *node {
			x := list(of("url", text("http://example.org/x"), "valueString", text("a")))
			return of("url", n.get("url"), "valueString", text("a"), "extension", x)
		})},
		{name: "period from later to earlier (per-1)", object: breaking("Period", func(n *node) *node {
			return n.with("start", text("2020-01-02")).with("end", text("2020-01-01"))
		})},
		{name: "period from later to earlier in other zones (per-1)", object: breaking("Period", func(n *node) *node {
			return n.with("start", text("2020-01-01T10:00:00+02:00")).with("end", text("2020-01-01T10:59:59+03:00"))
		})},
		{name: "period of other precisions (per-1)", object: breaking("Period", func(n *node) *node {
			return n.with("start", text("2020-02")).with("end", text("2020-01-31"))
		})},
		{name: "range from higher to lower (rng-2)", object: breaking("Range", func(*node) *node {
			return of("low", of("value", raw("1.01e1")), "high", of("value", raw("10")))
		})},
		{name: "attachment with data of no type (att-1)", object: breaking("Attachment", func(n *node) *node {
			return n.without("contentType", "_contentType").with("data", text("YWJj"))
		})},
		{name: "code of a quantity without system (qty-3)", object: breaking("Quantity", func(n *node) *node {
			return n.without("system", "_system").with("code", text("mg"))
		})},
		{name: "contact without system (cpt-2)", object: breaking("ContactPoint", func(n *node) *node {
			return n.without("system", "_system").with("value", text("a"))
		})},
		{name: "comparator of a simple quantity (sqty-1)", object: simpleQuantity},
		{name: "value and reason for its absence (obs-6)", object: breaking("Observation", func(n *node) *node {
			for _, m := range n.members {
				if strings.HasPrefix(m.name, "value") {
					return n.with("dataAbsentReason", of("text", text("a")))
				}
			}
			return nil
		})},
		{name: "contact without details (pat-1)", object: breaking("Patient.contact", func(*node) *node { return of("gender", text("male")) })},
		{name: "search in a Bundle of another type (bdl-2)", object: notSearch},
		{name: "entry of a transaction without request (bdl-3)", object: noRequest},
	}
}

func badReference(texts ...string) func(*maker, *valueSite) *mutant {
	return func(m *maker, v *valueSite) *mutant {
		if v.member.Name != "reference" || v.object.typ.Name != "Reference" {
			return nil
		}
		return &mutant{v.node, text(pick(m, texts)), expectation{code: "value", paths: []string{v.path}}}
	}
}

func wrongTarget(m *maker, v *valueSite) *mutant {
	if v.member.Name != "reference" || v.object.typ.Name != "Reference" || v.object.element == nil || v.object.element.Targets == nil {
		return nil
	}
	t := pick(m, m.definitions.Types)
	if t.Kind != fhirdef.Resource || v.object.element.Targets.Has(t) {
		return nil
	}
	wrong := pick(m, []string{t.Name + "/1", t.Name + "/1/_history/2", "http://example.org/fhir/" + t.Name + "/1", t.Name + "?identifier=1"})
	return &mutant{v.node, text(wrong), expectation{code: "value", paths: []string{v.path}, unlinks: true}}
}

func danglingReference(_ *maker, v *valueSite) *mutant {
	if v.member.Name != "reference" || v.object.typ.Name != "Reference" {
		return nil
	}
	return &mutant{v.node, text("#stoker"), expectation{code: "invariant", paths: []string{v.path}}}
}

func addContained(_ *maker, s *objectSite) *mutant {
	if !s.isResource() || s.isContained() || s.typ.Member([]byte("contained")) == nil {
		return nil
	}
	items := []*node{of("resourceType", text("Basic"), "id", text("stoker"), "code", of("text", text("a")))}
	index := 0
	if old := s.node.get("contained"); old != nil {
		index = len(old.items)
		items = append(old.items[:index:index], items...)
	}
	path := childPath(s.path, s.typ.Member([]byte("contained")), index)
	return &mutant{s.node, s.node.with("contained", list(items...)), expectation{code: "invariant", paths: []string{path}}}
}

func containInContained(_ *maker, s *objectSite) *mutant {
	if !s.isContained() || s.typ.Member([]byte("contained")) == nil {
		return nil
	}
	inner := list(of("resourceType", text("Basic"), "id", text("stoker"), "code", of("text", text("a"))))
	return &mutant{s.node, s.node.with("contained", inner), expectation{code: "invariant", paths: []string{s.path + ".contained"}}}
}

func containedMeta(name string, value *node) func(*maker, *objectSite) *mutant {
	return func(_ *maker, s *objectSite) *mutant {
		if !s.isContained() {
			return nil
		}
		return &mutant{s.node, s.node.with("meta", of(name, value)), expectation{code: "invariant", paths: []string{s.path + ".meta." + name}}}
	}
}

// breaking breaks an invariant of the objects of a type.
func breaking(typ string, change func(*node) *node) func(*maker, *objectSite) *mutant {
	return func(_ *maker, s *objectSite) *mutant {
		if s.typ.Name != typ {
			return nil
		}
		n := change(s.node)
		if n == nil {
			return nil
		}
		return &mutant{s.node, n, expectation{code: "invariant", paths: []string{s.path}}}
	}
}

func simpleQuantity(_ *maker, s *objectSite) *mutant {
	if s.element == nil || !s.element.Simple || s.typ.Name != "Quantity" {
		return nil
	}
	return &mutant{s.node, s.node.with("comparator", text("<")), expectation{code: "invariant", paths: []string{s.path + ".comparator", s.path}}}
}

// firstEntry replaces the first entry of a Bundle.
func firstEntry(bundle *node, change func(*node) *node) *node {
	entries := bundle.get("entry").items
	entries = append([]*node{change(entries[0])}, entries[1:]...)
	return bundle.with("entry", list(entries...))
}

func notSearch(_ *maker, s *objectSite) *mutant {
	if s.typ.Name != "Bundle" || s.node.get("type").string() == "searchset" || s.node.get("entry") == nil {
		return nil
	}
	n := firstEntry(s.node, func(e *node) *node { return e.with("search", of("mode", text("match"))) })
	return &mutant{s.node, n, expectation{code: "invariant", paths: []string{s.path}}}
}

func noRequest(_ *maker, s *objectSite) *mutant {
	if typ := s.node.get("type").string(); s.typ.Name != "Bundle" || typ != "transaction" && typ != "batch" || s.node.get("entry") == nil {
		return nil
	}
	n := firstEntry(s.node, func(e *node) *node { return e.without("request") })
	return &mutant{s.node, n, expectation{code: "invariant", paths: []string{s.path}}}
}
