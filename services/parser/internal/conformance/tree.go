package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// kind is what a node of a tree is.
type kind uint8

const (
	scalar kind = iota
	object
	array
)

// node is a JSON value. It is never changed: a mutation puts another in its place while the
// document is written.
type node struct {
	kind    kind
	text    string // of a scalar, as it is written
	members []member
	items   []*node
}

type member struct {
	name  string
	raw   string // the name as it is written, with quotes; "" is as json.Marshal writes it
	value *node
}

// parse reads a document with encoding/json, so that the trees do not depend on what they
// test. Number literals are kept.
func parse(doc []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	return parseNext(d)
}

func parseNext(d *json.Decoder) (*node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		n := &node{kind: array}
		if t == '{' {
			n.kind = object
		}
		for d.More() {
			name := ""
			if n.kind == object {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				name = fmt.Sprint(key)
			}
			value, err := parseNext(d)
			if err != nil {
				return nil, err
			}
			if n.kind == object {
				n.members = append(n.members, member{name: name, value: value})
			} else {
				n.items = append(n.items, value)
			}
		}
		_, err := d.Token() // its end
		return n, err
	case json.Number:
		return &node{text: t.String()}, nil
	case string:
		return text(t), nil
	case bool:
		return &node{text: strconv.FormatBool(t)}, nil
	default:
		return null(), nil
	}
}

func raw(written string) *node { return &node{text: written} }
func null() *node              { return raw("null") }
func text(s string) *node      { return raw(quote(s)) }

// quote writes a string with the escapes that JSON asks for, and no others.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // cannot be: it is a string
		return `""`
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// of makes an object of names and nodes, by turns.
func of(pairs ...any) *node {
	n := &node{kind: object}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		value, _ := pairs[i+1].(*node)
		n.members = append(n.members, member{name: name, value: value})
	}
	return n
}

func list(items ...*node) *node { return &node{kind: array, items: items} }

func (n *node) isString() bool { return n.kind == scalar && n.text[0] == '"' }
func (n *node) isNull() bool   { return n.kind == scalar && n.text == "null" }

// get returns the value of a member, or nil.
func (n *node) get(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// string returns the text of a string, or "".
func (n *node) string() string {
	if n == nil || !n.isString() {
		return ""
	}
	var s string
	if err := json.Unmarshal([]byte(n.text), &s); err != nil {
		return ""
	}
	return s
}

// with returns an object with a member set, at its place if it is there.
func (n *node) with(name string, value *node) *node {
	c := &node{kind: object}
	found := false
	for _, m := range n.members {
		if m.name == name {
			m.value, m.raw, found = value, "", true
		}
		c.members = append(c.members, m)
	}
	if !found {
		c.members = append(c.members, member{name: name, value: value})
	}
	return c
}

// without returns an object without some members.
func (n *node) without(names ...string) *node {
	c := &node{kind: object}
	for _, m := range n.members {
		keep := true
		for _, name := range names {
			keep = keep && m.name != name
		}
		if keep {
			c.members = append(c.members, m)
		}
	}
	return c
}

// writer writes trees without white space.
type writer struct {
	buf []byte
	// Instead of one node another is written, from and to here.
	at, instead *node
	from, to    int
}

// write writes a tree over what was written before, with another node in place of one.
func (w *writer) write(root, at, instead *node) []byte {
	w.buf, w.at, w.instead, w.from, w.to = w.buf[:0], at, instead, 0, 0
	w.node(root)
	return w.buf
}

func (w *writer) node(n *node) {
	if n == w.at && w.instead != nil {
		instead := w.instead
		w.instead = nil
		w.from = len(w.buf)
		w.node(instead)
		w.to = len(w.buf)
		return
	}
	switch n.kind {
	case object:
		w.buf = append(w.buf, '{')
		for i, m := range n.members {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			if m.raw == "" {
				m.raw = quote(m.name)
			}
			w.buf = append(append(w.buf, m.raw...), ':')
			w.node(m.value)
		}
		w.buf = append(w.buf, '}')
	case array:
		w.buf = append(w.buf, '[')
		for i, item := range n.items {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			w.node(item)
		}
		w.buf = append(w.buf, ']')
	default:
		w.buf = append(w.buf, n.text...)
	}
}

func (n *node) bytes() []byte {
	var w writer
	return w.write(n, nil, nil)
}
