package conformance

import "strings"

// syntaxOperators make what is not JSON, or not JSON that can be stored. It is refused in
// every mode.
func syntaxOperators() []operator {
	refused := expectation{refused: true}
	// change replaces what is written of a value.
	change := func(name string, of func(m *maker, v *valueSite, written string) string) operator {
		return operator{name: name, value: func(m *maker, v *valueSite) *mutant {
			written := string(v.node.bytes())
			if changed := of(m, v, written); changed != written {
				return &mutant{v.node, raw(changed), refused}
			}
			return nil
		}}
	}
	// inside puts something into a string.
	inside := func(name, what string) operator {
		return change(name, func(_ *maker, v *valueSite, written string) string {
			if v.node.isString() {
				return written[:len(written)-1] + what + `"`
			}
			return written
		})
	}
	// instead replaces a value.
	instead := func(name string, what ...string) operator {
		return change(name, func(m *maker, _ *valueSite, _ string) string { return pick(m, what) })
	}
	return []operator{
		{name: "name twice", object: repeatName(false)},
		{name: "name twice, once escaped", object: repeatName(true)},
		{name: "cut off", object: func(m *maker, s *objectSite) *mutant {
			if s.element != nil {
				return nil
			}
			written := string(s.node.bytes())
			return &mutant{s.node, raw(written[:1+m.IntN(len(written)-1)]), refused}
		}},
		{name: "something behind", object: func(m *maker, s *objectSite) *mutant {
			if s.element != nil {
				return nil
			}
			return &mutant{s.node, raw(string(s.node.bytes()) + pick(m, []string{"}", "]", ",", "{}", "null", " x", "\x00", "/**/"})), refused}
		}},
		{name: "nested too deep", object: func(_ *maker, s *objectSite) *mutant {
			if s.typ.Member([]byte("extension")) == nil {
				return nil
			}
			deep := strings.Repeat(`{"url":"http://example.org/x","extension":[`, 70) + strings.Repeat(`]}`, 70)
			return &mutant{s.node, s.node.with("extension", list(raw(deep))), refused}
		}},
		inside("control character", "\x01"),
		inside("line end in a string", "\n"),
		inside("escape that is none", `\x`),
		inside("short escape", `\u12`),
		inside("NUL", `\u0000`),
		inside("half a surrogate pair", `\ud83d`),
		inside("surrogates the wrong way round", `\udca9\ud83d`),
		inside("not UTF-8", "\xff"),
		inside("overlong UTF-8", "\xc0\xaf"),
		inside("Latin-1", "\xe4"),
		inside("surrogate in UTF-8", "\xed\xa0\x80"),
		instead("word that is none", "True", "NULL", "nil", "undefined", "NaN", "Infinity", "tru", "nulll", "truefalse"),
		instead("number that is none", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x10", "1_000", "- 1", "--1", "1.2.3", "00"),
		instead("number beyond what can be stored", "1e200000", "1e-20000", "-1E+999999999999"),
		instead("string of other quotes", "'a'", "“a”", "a", "`a`"),
		change("comma too many", func(_ *maker, v *valueSite, w string) string {
			if n := len(w) - 1; v.node.kind != scalar && n > 1 {
				return w[:n] + "," + w[n:]
			}
			return w
		}),
		change("comma missing", func(_ *maker, _ *valueSite, w string) string { return w + " " + w }),
		change("comma twice", func(_ *maker, _ *valueSite, w string) string { return w + ",," + w }),
		change("wrong bracket", func(_ *maker, v *valueSite, w string) string {
			switch n := len(w) - 1; v.node.kind {
			case object:
				return w[:n] + "]"
			case array:
				return w[:n] + "}"
			}
			return w
		}),
		change("bracket missing", func(_ *maker, v *valueSite, w string) string {
			if v.node.kind == scalar {
				return w
			}
			return w[:len(w)-1]
		}),
		change("comment", func(m *maker, _ *valueSite, w string) string {
			return w + pick(m, []string{"/* a */", "// a\n", "# a\n"})
		}),
		change("white space that is none", func(m *maker, _ *valueSite, w string) string {
			return pick(m, []string{"\u00a0", "\f", "\v", "\ufeff"}) + w
		}),
		{name: "name without quotes", object: func(_ *maker, s *objectSite) *mutant {
			n := &node{kind: object, members: append([]member(nil), s.node.members...)}
			if len(n.members) == 0 {
				return nil
			}
			n.members[0].raw = n.members[0].name
			return &mutant{s.node, n, refused}
		}},
		{name: "colon missing", object: func(_ *maker, s *objectSite) *mutant {
			written := string(s.node.bytes())
			return &mutant{s.node, raw(strings.Replace(written, `":`, `" `, 1)), refused}
		}},
	}
}

// repeatName has a member of an object again at its end.
func repeatName(escaped bool) func(*maker, *objectSite) *mutant {
	return func(m *maker, s *objectSite) *mutant {
		again := pick(m, s.node.members)
		if again.value == nil {
			return nil
		}
		if escaped {
			again.raw = escapeAll(again.name)
		}
		n := &node{kind: object, members: append(s.node.members[:len(s.node.members):len(s.node.members)], again)}
		return &mutant{s.node, n, expectation{refused: true}}
	}
}
