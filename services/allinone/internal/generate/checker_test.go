package generate

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
)

// checker walks resources along their definitions and collects what is wrong.
type checker struct {
	*definitions
	problems       []string
	codings, bound int // how much was checked
}

func (c *checker) fault(at, format string, args ...any) {
	c.problems = append(c.problems, at+": "+fmt.Sprintf(format, args...))
}

func (c *checker) resource(r map[string]any, at string) {
	typ, _ := r["resourceType"].(string)
	if c.children[typ] == nil {
		c.fault(at, "%q is no resource type", typ)
		return
	}
	c.object(r, typ, at, "resourceType")
}

// object checks the members of an object against the parts of the type or element at path.
func (c *checker) object(obj map[string]any, path, at string, known ...string) {
	if len(obj) == 0 {
		c.fault(at, "empty")
	}
	for _, e := range c.children[path] {
		last := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
		base, choice := strings.CutSuffix(last, "[x]")
		found := 0
		if e.ContentReference != "" {
			if v, ok := obj[base]; ok {
				found++
				c.element(v, e, "", at+"."+base)
			}
			known = append(known, base)
		}
		for i, typ := range e.Type {
			name := base
			if choice {
				name += string(unicode.ToUpper(rune(typ.Code[0]))) + typ.Code[1:]
			} else if i > 0 {
				break
			}
			known = append(known, name)
			if v, ok := obj[name]; ok {
				found++
				c.element(v, e, typ.Code, at+"."+name)
			}
		}
		if found < e.Min {
			c.fault(at+"."+last, "missing")
		}
		if found > 1 {
			c.fault(at+"."+last, "more than one")
		}
	}
	for name := range obj {
		if !slices.Contains(known, name) {
			c.fault(at+"."+name, "no such element")
		}
	}
}

func (c *checker) element(v any, e *element, typ, at string) {
	list, isArray := v.([]any)
	switch many := e.Max == "*"; {
	case many && !isArray:
		c.fault(at, "want an array")
	case !many && isArray:
		c.fault(at, "want no array")
	case many && len(list) == 0:
		c.fault(at, "empty")
	case many:
		for _, item := range list {
			c.value(item, e, typ, at)
		}
	default:
		c.value(v, e, typ, at)
	}
}

func (c *checker) value(v any, e *element, typ, at string) {
	// Of ids and the urls of extensions: System.String.
	if system, ok := strings.CutPrefix(typ, "http://hl7.org/fhirpath/System."); ok {
		typ = strings.ToLower(system)
	}
	if pattern, ok := c.primitive[typ]; ok {
		text, ok := primitiveText(v, typ)
		switch {
		case !ok, pattern != nil && typ != "base64Binary" && !pattern.MatchString(text):
			c.fault(at, "not a %s", typ)
		case typ == "xhtml" && !isXHTML(text):
			c.fault(at, "not XHTML")
		case typ == "code":
			c.code(text, e, at)
		case typ == "base64Binary":
			if _, err := base64.StdEncoding.DecodeString(text); err != nil {
				c.fault(at, "not base64")
			}
		}
		return
	}
	obj, ok := v.(map[string]any)
	if !ok {
		c.fault(at, "want an object")
		return
	}
	switch {
	case typ == "Resource":
		c.resource(obj, at)
	case e.ContentReference != "":
		c.object(obj, strings.TrimPrefix(e.ContentReference, "#"), at)
	case typ == "BackboneElement", typ == "Element":
		c.object(obj, e.Path, at)
	default:
		c.object(obj, typ, at)
		c.complex(obj, e, typ, at)
	}
}

// complex checks what the structure of a data type does not say.
func (c *checker) complex(obj map[string]any, e *element, typ, at string) {
	switch typ {
	case "CodeableConcept":
		list, _ := obj["coding"].([]any)
		required := e.Binding.Strength == "required"
		for _, item := range list {
			required = !c.coding(item.(map[string]any), e, at+".coding") && required
		}
		if required {
			c.fault(at, "no coding of %s", e.Binding.ValueSet)
		}
	case "Coding":
		// A concept's codings are checked with the concept, whose binding applies.
		if e.Path != "CodeableConcept.coding" {
			c.coding(obj, e, at)
		}
	case "Reference":
		c.reference(obj, e, at)
	case "Period":
		start, end := parseTime(obj["start"]), parseTime(obj["end"])
		if !start.IsZero() && !end.IsZero() && end.Before(start) {
			c.fault(at, "ends before it starts")
		}
	case "Attachment":
		data, _ := base64.StdEncoding.DecodeString(fmt.Sprint(obj["data"]))
		if size := fmt.Sprint(obj["size"]); size != fmt.Sprint(len(data)) {
			c.fault(at, "size is %s, data %d bytes", size, len(data))
		}
	}
}

// code checks one of type code against a required binding.
func (c *checker) code(text string, e *element, at string) {
	set, _, _ := strings.Cut(e.Binding.ValueSet, "|")
	codes := c.values[set]
	if e.Binding.Strength != "required" || len(codes) == 0 { // empty: by a rule, such as BCP 13
		return
	}
	c.bound++
	if !codes[text] {
		c.fault(at, "%s not in %s", text, set)
	}
}

// coding checks a code against its code system, and against a value set that has codes of that
// system where the binding does not merely suggest it. It tells whether it is of the value set.
func (c *checker) coding(obj map[string]any, e *element, at string) bool {
	c.codings++
	system, code, display := fmt.Sprint(obj["system"]), fmt.Sprint(obj["code"]), obj["display"]
	if codes, ok := c.systems[system]; ok {
		if want, ok := codes[code]; !ok {
			c.fault(at, "%s is not in %s", code, system)
		} else if display != nil && display != want {
			c.fault(at, "%s of %s is %q, not %q", code, system, want, display)
		}
	}
	set, _, _ := strings.Cut(e.Binding.ValueSet, "|")
	in := c.values[set][system+"|"+code]
	if _, has := c.inValues[set][system]; has && !in && (e.Binding.Strength == "required" || e.Binding.Strength == "extensible") {
		c.fault(at, "%s of %s is not in %s", code, system, set)
	}
	return in
}

func (c *checker) reference(obj map[string]any, e *element, at string) {
	text, _ := obj["reference"].(string)
	typ, _, relative := strings.Cut(text, "/")
	if !relative {
		return
	}
	for _, t := range e.Type {
		for _, profile := range t.TargetProfile {
			if target := profile[strings.LastIndexByte(profile, '/')+1:]; target == typ || target == "Resource" {
				return
			}
		}
	}
	c.fault(at+".reference", "%s is no target", typ)
}

// primitiveText is a primitive as the specification's pattern for its type sees it; false where
// its JSON type is wrong.
func primitiveText(v any, typ string) (string, bool) {
	switch typ {
	case "boolean":
		b, ok := v.(bool)
		return fmt.Sprint(b), ok
	case "decimal", "integer", "positiveInt", "unsignedInt":
		n, ok := v.(json.Number)
		return n.String(), ok
	default:
		s, ok := v.(string)
		return s, ok
	}
}

// isXHTML tells whether a narrative is one well-formed div in XHTML's namespace.
func isXHTML(text string) bool {
	d := xml.NewDecoder(strings.NewReader(text))
	for roots, depth := 0, 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return roots == 1
		}
		switch tok := token.(type) {
		case nil:
			return false
		case xml.StartElement:
			if tok.Name.Space != "http://www.w3.org/1999/xhtml" || depth == 0 && tok.Name.Local != "div" {
				return false
			}
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

// updated is a resource's meta.lastUpdated.
func updated(r map[string]any) time.Time {
	return parseTime(r["meta"].(map[string]any)["lastUpdated"])
}

// parseTime reads a date or a time; the zero time stands for anything else.
func parseTime(v any) time.Time {
	s, _ := v.(string)
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	return time.Time{}
}
