package conformance

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// rewriting writes the examples in other ways that say the same, or that say more and are
// permitted: none may have an error. Where elements come or go, invariants may be broken.
func rewriting(r *report, o Options) error {
	rewritings := []struct {
		name       string
		make       func(*maker) *node
		invariants bool // may be broken by what is changed
	}{
		{"white space", func(m *maker) *node { return raw(spaced(m, m.sites.root)) }, false},
		{"order of names", shuffled, false},
		{"escapes in strings and names", escaped, false},
		{"exponents of decimals", withExponents, false},
		{"zeros behind decimals", withZeros, false},
		{"all at once", func(m *maker) *node {
			m = &maker{m.Rand, m.definitions, walk(m.definitions, withExponents(m))}
			m.sites.root = shuffled(m)
			return raw(spaced(m, escaped(m)))
		}, false},
		{"companions of primitives", withCompanions, false},
		{"extensions of objects", withExtensions, false},
		{"ids of objects", withIDs, false},
		{"companions instead of primitives", withoutValues, true},
		{"absent elements", withAbsent, true},
	}
	return each(r, o, func(reader *readers, m *maker, e example) {
		for _, w := range rewritings {
			for range max(1, o.Mutations) {
				n := w.make(m)
				if n == nil {
					continue
				}
				doc := n.bytes()
				issues, refused := reader.errorsOf(doc)
				difference := reader.difference(doc)
				if w.invariants {
					issues = slices.DeleteFunc(issues, func(i resource.Issue) bool { return i.Code == "invariant" })
				}
				switch {
				case difference != "":
					r.wrong(w.name+", "+e.name, doc, "%s", difference)
				case refused != nil:
					r.wrong(w.name+", "+e.name, doc, "is refused: %v", refused)
				case len(issues) > 0:
					r.wrong(w.name+", "+e.name, doc, "%s", show(issues))
				default:
					r.agreed(1)
				}
			}
		}
	})
}

// rebuilt returns a copy of a tree whose every node was changed, from the leaves up.
func rebuilt(n *node, change func(*node) *node) *node {
	c := *n
	c.members = append([]member(nil), n.members...)
	for i := range c.members {
		c.members[i].value = rebuilt(c.members[i].value, change)
	}
	c.items = append([]*node(nil), n.items...)
	for i := range c.items {
		c.items[i] = rebuilt(c.items[i], change)
	}
	return change(&c)
}

// replaced returns a copy of the tree of the sites with other nodes in place of some. Of an
// object that is replaced only members are added and left out; those that stay are changed
// themselves.
func (s *sites) replaced(instead map[*node]*node) *node {
	var visit func(n *node) *node
	visit = func(n *node) *node {
		c := *n
		c.members = append([]member(nil), n.members...)
		for i := range c.members {
			c.members[i].value = visit(c.members[i].value)
		}
		c.items = append([]*node(nil), n.items...)
		for i := range c.items {
			c.items[i] = visit(c.items[i])
		}
		if with := instead[n]; with != nil {
			if with.kind == object {
				for _, m := range with.members {
					if n.get(m.name) == nil {
						c.members = append(c.members, m)
					}
				}
				c.members = slices.DeleteFunc(c.members, func(m member) bool { return with.get(m.name) == nil })
				return &c
			}
			return with
		}
		return &c
	}
	return visit(s.root)
}

// spaced writes a tree with white space wherever it may be.
func spaced(m *maker, n *node) string {
	var b strings.Builder
	space := func() {
		for range m.IntN(4) {
			b.WriteByte(" \t\r\n"[m.IntN(4)])
		}
	}
	var write func(n *node)
	write = func(n *node) {
		space()
		switch n.kind {
		case object:
			b.WriteByte('{')
			for i, member := range n.members {
				if i > 0 {
					b.WriteByte(',')
				}
				space()
				if member.raw == "" {
					member.raw = quote(member.name)
				}
				b.WriteString(member.raw)
				space()
				b.WriteByte(':')
				write(member.value)
			}
			space()
			b.WriteByte('}')
		case array:
			b.WriteByte('[')
			for i, item := range n.items {
				if i > 0 {
					b.WriteByte(',')
				}
				write(item)
			}
			space()
			b.WriteByte(']')
		default:
			b.WriteString(n.text)
		}
		space()
	}
	write(n)
	return b.String()
}

func shuffled(m *maker) *node {
	return rebuilt(m.sites.root, func(n *node) *node {
		m.Shuffle(len(n.members), func(i, j int) { n.members[i], n.members[j] = n.members[j], n.members[i] })
		return n
	})
}

// escaped writes some characters of names and strings as escapes.
func escaped(m *maker) *node {
	return rebuilt(m.sites.root, func(n *node) *node {
		for i := range n.members {
			if m.IntN(3) == 0 {
				n.members[i].raw = escapeSome(m, n.members[i].name)
			}
		}
		if n.isString() && m.IntN(3) == 0 {
			n.text = escapeSome(m, n.string())
		}
		return n
	})
}

func escapeSome(m *maker, s string) string {
	return escape(s, func(r rune) bool { return m.IntN(3) == 0 })
}

func escapeAll(s string) string { return escape(s, func(rune) bool { return true }) }

// escape writes a string with some characters as escapes, in one of the ways there are.
func escape(s string, some func(rune) bool) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '/' && some(r):
			b.WriteString(`\/`)
		case some(r) && r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04X\u%04x`, high, low)
		case some(r) && r%2 == 0:
			fmt.Fprintf(&b, `\u%04X`, r)
		case some(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			q := quote(string(r))
			b.WriteString(q[1 : len(q)-1])
		}
	}
	b.WriteByte('"')
	return b.String()
}

// decimals returns the tree with every decimal written in another way, or nil if there is
// none.
func (s *sites) decimals(change func(literal string) string) *node {
	instead := map[*node]*node{}
	for _, v := range s.values {
		if v.member.Type.Kind == fhirdef.Decimal && v.node.kind == scalar {
			instead[v.node] = raw(change(v.node.text))
		}
	}
	if len(instead) == 0 {
		return nil
	}
	return s.replaced(instead)
}

func withExponents(m *maker) *node {
	n := m.sites.decimals(func(literal string) string {
		if strings.ContainsAny(literal, "eE") {
			return literal
		}
		return literal + pick(m, []string{"e0", "E0", "E+0", "e-0", "e00"})
	})
	if n == nil {
		return m.sites.root
	}
	return n
}

func withZeros(m *maker) *node {
	return m.sites.decimals(func(literal string) string {
		if strings.ContainsAny(literal, "eE") {
			return literal
		}
		if !strings.Contains(literal, ".") {
			literal += "."
			return literal + strings.Repeat("0", 1+m.IntN(10))
		}
		return literal + strings.Repeat("0", m.IntN(10))
	})
}

func addition(name string) *node {
	return of("url", text("http://example.org/"+name), "valueString", text("a"))
}

// withCompanions gives some primitives a companion.
func withCompanions(m *maker) *node {
	changed := map[*node]*node{}
	for _, v := range m.sites.values {
		if !v.isAlone() || m.IntN(3) > 0 {
			continue
		}
		companion := pick(m, []*node{of("id", text("c1")), of("extension", list(addition("x"))), of("id", text("c 1"), "extension", list(addition("x"), addition("y")))})
		if v.member.Element.Repeats {
			items := times(len(v.node.items), null())
			if len(items) > 0 {
				items[m.IntN(len(items))] = companion
			}
			companion = list(items...)
		}
		o := v.object.node
		if changed[o] != nil {
			o = changed[o]
		}
		changed[v.object.node] = o.with("_"+v.member.Name, companion)
	}
	return m.sites.replaced(changed)
}

// withExtensions gives some objects an extension, and where it may be a modifierExtension.
func withExtensions(m *maker) *node {
	changed := map[*node]*node{}
	for _, s := range m.sites.objects {
		if s.typ.Name == "Extension" || m.IntN(3) > 0 {
			continue
		}
		n := s.node
		for _, name := range []string{"extension", "modifierExtension"} {
			if s.typ.Member([]byte(name)) != nil && n.get(name) == nil {
				n = n.with(name, list(addition(name), of("url", text("nested"), "extension", list(addition("x")))))
			}
		}
		changed[s.node] = n
	}
	return m.sites.replaced(changed)
}

// withIDs gives some objects an id.
func withIDs(m *maker) *node {
	changed := map[*node]*node{}
	for i, s := range m.sites.objects {
		if !s.isResource() && s.node.get("id") == nil && m.IntN(3) == 0 {
			changed[s.node] = s.node.with("id", text(fmt.Sprintf("id-%d", i)))
		}
	}
	return m.sites.replaced(changed)
}

// withoutValues has companions with an extension in place of some values: they satisfy
// what is required, except a code of a required value set.
func withoutValues(m *maker) *node {
	changed := map[*node]*node{}
	reason := of("extension", list(of("url", text("http://hl7.org/fhir/StructureDefinition/data-absent-reason"), "valueCode", text("unknown"))))
	for _, v := range m.sites.values {
		isKey := v.member.Name == "id" || v.member.Type.Kind == fhirdef.XHTML || isBoundCode(v.member)
		// A Coding may be what a binding asks for, and an Extension is named by its url.
		if !v.isAlone() || isKey || v.object.typ.Name == "Coding" || v.object.typ.Name == "Extension" || m.IntN(5) > 0 {
			continue
		}
		o := v.object.node
		if changed[o] != nil {
			o = changed[o]
		}
		changed[v.object.node] = o.without(v.member.Name).with("_"+v.member.Name, whole(v.member, reason))
	}
	return m.sites.replaced(changed)
}

// withAbsent adds elements that are not there, with a right value.
func withAbsent(m *maker) *node {
	changed := map[*node]*node{}
	for _, s := range m.sites.objects {
		if s.typ.Name == "Extension" || s.typ.Name == "Coding" || m.IntN(3) > 0 {
			continue
		}
		def := pick(m, s.absent(func(d *fhirdef.Member) bool {
			return d.Name != "id" && d.Name != "contained" && d.Name != "implicitRules"
		}))
		if def != nil {
			changed[s.node] = s.node.with(def.Name, whole(def, synthesis(def)))
		}
	}
	return m.sites.replaced(changed)
}
