package xhtml

import "bytes"

// startTag reads the tag at i.
func (c *checker) startTag(i int) int {
	start := i
	end := c.name(i + 1)
	name := c.text[i+1 : end]
	element, ok := elements[string(name)]
	if !ok {
		if _, active := refused[string(name)]; active {
			return c.fail(start, wantInactive)
		}
		return c.fail(start, wantElement)
	}
	c.seen, c.declared = 0, 0
	for i = end; ; {
		next := c.space(i)
		switch {
		case c.byteAt(next) == '>':
			if c.depth == MaxDepth {
				return c.fail(start, wantShallow)
			}
			c.open[c.depth] = element
			c.depth++
			c.image(element)
			return next + 1
		case c.has(next, "/>"):
			c.image(element)
			return next + 2
		case next == i || !isNameStart(c.byteAt(next)):
			return c.fail(next, wantTag)
		}
		if i = c.attribute(next, element); i == failed {
			return failed
		}
	}
}

// image: "text or an image", by txt-2 one with a source.
func (c *checker) image(element uint8) {
	if element == elementImg && c.seen>>attributeSrc&1 != 0 {
		c.hasContent = true
	}
}

// endTag reads the tag at i, of the element that was opened last.
func (c *checker) endTag(i int) int {
	end := c.name(i + 2)
	if string(c.text[i+2:end]) != elementNames[c.open[c.depth-1]] {
		return c.fail(i, wantClosed)
	}
	if end = c.space(end); c.byteAt(end) != '>' {
		return c.fail(i, wantTag)
	}
	c.depth--
	return end + 1
}

// attribute reads the attribute at i.
func (c *checker) attribute(i int, element uint8) int {
	start := i
	end := c.name(i)
	name := c.text[i:end]
	number, ok := attributes[string(name)]
	switch {
	case !ok && isPrefix(name):
		if fault := c.declare(name); fault != "" {
			return c.fail(start, fault)
		}
	case !ok && len(name) > 2 && name[0]|0x20 == 'o' && name[1]|0x20 == 'n':
		return c.fail(start, wantInactive)
	case !ok || isMisplaced(attributeNames[number], element):
		return c.fail(start, wantAttribute)
	case c.seen>>number&1 != 0:
		return c.fail(start, wantOnce)
	default:
		c.seen |= 1 << number
	}
	i = c.space(end)
	if c.byteAt(i) != '=' {
		return c.fail(start, wantValue)
	}
	i = c.space(i + 1)
	quote := c.byteAt(i)
	if quote != '"' && quote != '\'' {
		return c.fail(start, wantValue)
	}
	value := i + 1
	if i = c.value(value, quote); i == failed {
		return failed
	}
	switch text := c.text[value:i]; {
	case !ok:
	case number == attributeXMLNS && string(text) != namespace:
		return c.fail(start, wantNamespace)
	case isAddress(attributeNames[number]) && isActive(text, element == elementImg):
		return c.fail(start, wantAddress)
	}
	return i + 1
}

// declare keeps the name of a declared prefix, which is there once in its tag. Nothing that
// narrative may have has a prefix, but converters leave declarations behind; no tag needs
// more than a few.
func (c *checker) declare(name []byte) (fault string) {
	for _, other := range c.prefixes[:c.declared] {
		if bytes.Equal(other, name) {
			return wantOnce
		}
	}
	if c.declared == len(c.prefixes) {
		return wantAttribute
	}
	c.prefixes[c.declared] = name
	c.declared++
	return ""
}

// isPrefix reports whether a name is xmlns: and a prefix of ASCII
// (https://www.w3.org/TR/xml-names/#ns-decl).
func isPrefix(name []byte) bool {
	prefix, ok := bytes.CutPrefix(name, []byte("xmlns:"))
	for _, b := range prefix {
		ok = ok && b != ':' && b < 0x80
	}
	return ok && len(prefix) > 0 && isNameStart(prefix[0])
}

// value reads an attribute's value from i on and returns the offset of the quote behind it.
func (c *checker) value(i int, quote byte) int {
	for i < len(c.text) {
		switch b := c.text[i]; class[b] {
		case plain:
			i = c.plain(i)
			continue
		case quotation:
			if b == quote {
				return i
			}
		case less:
			return c.fail(i, wantEscaped)
		case ampersand:
			if _, i = c.entity(i); i == failed {
				return failed
			}
			continue
		case control:
			return c.fail(i, wantCharacter)
		case maybeNone:
			if c.isNone(i) {
				return c.fail(i, wantCharacter)
			}
		}
		i++
	}
	return c.fail(i, wantValue)
}

// name returns the offset behind the name at i: letters, digits and some signs. XML allows
// letters of all languages, but no name of narrative has any.
func (c *checker) name(i int) int {
	for i < len(c.text) && isNameByte(c.text[i]) {
		i++
	}
	return min(i, len(c.text))
}

func isNameStart(b byte) bool {
	lower := b | 0x20
	return lower >= 'a' && lower <= 'z' || b == '_' || b == ':' || b >= 0x80
}

func isNameByte(b byte) bool {
	return isNameStart(b) || b >= '0' && b <= '9' || b == '-' || b == '.'
}
