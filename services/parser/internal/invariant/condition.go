package invariant

import (
	"regexp"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
)

// test is a condition on the objects of one type.
type test func(n *Node) bool

// cond makes the test of a type and constraint.
type cond func(t *fhirdef.Type, c *fhirdef.Constraint) (test, error)

// is holds where the value of an element, as text, is one of some. Of a value that is not
// there but must be, or that only a companion stands for, it is not known that it is
// another.
func is(name string, texts ...string) cond {
	return func(t *fhirdef.Type, _ *fhirdef.Constraint) (test, error) {
		e, err := element(t, name)
		if err != nil {
			return nil, err
		}
		bit := uint64(1) << e.Index
		return func(n *Node) bool {
			if n.Valued&bit == 0 {
				return n.Seen&bit != 0 || e.Min > 0
			}
			return isOneOf(text(n.Doc, int(n.At[e.Index])), texts)
		}, nil
	}
}

// isNot holds where the value of an element is none of some, or is not there.
func isNot(name string, texts ...string) cond {
	return on(name, func(doc []byte, at int) bool { return at < 0 || !isOneOf(text(doc, at), texts) })
}

func isOneOf(b []byte, texts []string) bool {
	for _, s := range texts {
		if string(b) == s {
			return true
		}
	}
	return false
}

// on is a condition on the value of one element, at an offset in the document that is
// negative if there is no value.
func on(name string, f func(doc []byte, at int) bool) cond {
	return func(t *fhirdef.Type, _ *fhirdef.Constraint) (test, error) {
		e, err := element(t, name)
		if err != nil {
			return nil, err
		}
		return func(n *Node) bool { return f(n.Doc, n.at(e)) }, nil
	}
}

// on2 is a condition on the values of two elements.
func on2(a, b string, f func(doc []byte, a, b int) bool) cond {
	return func(t *fhirdef.Type, _ *fhirdef.Constraint) (test, error) {
		e1, err := element(t, a)
		if err != nil {
			return nil, err
		}
		e2, err := element(t, b)
		if err != nil {
			return nil, err
		}
		return func(n *Node) bool { return f(n.Doc, n.at(e1), n.at(e2)) }, nil
	}
}

// onSubject is a condition on the element that the constraint is about.
func onSubject(f func(doc []byte, at int) bool) cond {
	return func(t *fhirdef.Type, c *fhirdef.Constraint) (test, error) { return on(c.Element, f)(t, c) }
}

// at returns the offset of an element's value, or -1.
func (n *Node) at(e *fhirdef.Element) int {
	if n.Valued>>e.Index&1 == 0 {
		return -1
	}
	return int(n.At[e.Index])
}

// value returns the offset of an element's value by its name, or -1. It looks the name up:
// it is not for what is called often.
func (n *Node) value(name string) int {
	e, err := element(n.Type, name)
	if err != nil {
		return -1
	}
	return n.at(e)
}

func not(c cond) cond {
	return func(t *fhirdef.Type, k *fhirdef.Constraint) (test, error) {
		f, err := c(t, k)
		if err != nil {
			return nil, err
		}
		return func(n *Node) bool { return !f(n) }, nil
	}
}

func either(a, b cond) cond {
	return join(a, b, func(f, g test) test { return func(n *Node) bool { return f(n) || g(n) } })
}

func both(a, b cond) cond {
	return join(a, b, func(f, g test) test { return func(n *Node) bool { return f(n) && g(n) } })
}

func join(a, b cond, how func(f, g test) test) cond {
	return func(t *fhirdef.Type, c *fhirdef.Constraint) (test, error) {
		f, err := a(t, c)
		if err != nil {
			return nil, err
		}
		g, err := b(t, c)
		if err != nil {
			return nil, err
		}
		return how(f, g), nil
	}
}

func valued(name string) cond {
	return on(name, func(_ []byte, at int) bool { return at >= 0 })
}

// coded holds where a CodeableConcept has a Coding with a system and one of some codes.
func coded(name, system string, codes ...string) cond {
	return on(name, func(doc []byte, at int) bool { return hasCoding(doc, at, system, codes) })
}

// has holds where there is anything at a path below an element.
func has(name string, path ...string) cond {
	return on(name, func(doc []byte, at int) bool { return exists(doc, at, path...) })
}

// every holds where a condition holds for each value at a path below an element.
func every(name string, f func(doc []byte, at int) bool, path ...string) cond {
	return on(name, func(doc []byte, at int) bool { return all(doc, at, f, path...) })
}

// atMost holds where an element is there at most some times.
func atMost(name string, limit int) cond {
	return on(name, func(doc []byte, at int) bool { return count(doc, at, limit+1) <= limit })
}

// matches holds where there is no value, or the whole of it matches an expression.
func matches(name, expr string) cond {
	re, err := regexp.Compile("^(?:" + expr + ")$")
	if err != nil {
		return failing(err)
	}
	return on(name, func(doc []byte, at int) bool { return at < 0 || re.Match(text(doc, at)) })
}

func failing(err error) cond {
	return func(*fhirdef.Type, *fhirdef.Constraint) (test, error) { return nil, err }
}

// startsWith holds where there is no value, or it begins with one of some prefixes.
func startsWith(name string, prefixes ...string) cond {
	return on(name, func(doc []byte, at int) bool { return at < 0 || hasPrefix(text(doc, at), prefixes) })
}

// hasNoPrefix holds where there is no value, or it does not begin with a prefix.
func hasNoPrefix(name string, prefix string) cond {
	return on(name, func(doc []byte, at int) bool { return at < 0 || !hasPrefix(text(doc, at), []string{prefix}) })
}

func hasPrefix(b []byte, prefixes []string) bool {
	for _, p := range prefixes {
		if len(b) >= len(p) && string(b[:len(p)]) == p {
			return true
		}
	}
	return false
}
