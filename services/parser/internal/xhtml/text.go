package xhtml

// Classes of bytes.
const (
	plain = iota
	space
	less
	greater
	ampersand
	quotation
	control
	maybeNone // first byte of U+FFFE and U+FFFF, which are no characters
)

var class = func() (class [256]uint8) {
	for b := range byte(' ') {
		class[b] = control
	}
	class[' '], class['\t'], class['\n'], class['\r'] = space, space, space, space
	class['<'], class['>'], class['&'] = less, greater, ampersand
	class['"'], class['\''] = quotation, quotation
	class[0xEF] = maybeNone
	return class
}()

// characters reads text from i on and returns the offset of the < or the end behind it.
// White space is XML's, as in txt-2: a no-break space is content.
func (c *checker) characters(i int) int {
	for i < len(c.text) {
		switch class[c.text[i]] {
		case plain:
			c.hasContent = true
			i = c.plain(i)
			continue
		case quotation:
			c.hasContent = true
		case less:
			return i
		case greater:
			if c.text[i-1] == ']' && c.text[i-2] == ']' { // the root's tag is before
				return c.fail(i-2, wantBrackets)
			}
			c.hasContent = true
		case ampersand:
			var code rune
			if code, i = c.entity(i); i == failed {
				return failed
			}
			c.hasContent = c.hasContent || code > ' '
			continue
		case control:
			return c.fail(i, wantCharacter)
		case maybeNone:
			if c.isNone(i) {
				return c.fail(i, wantCharacter)
			}
			c.hasContent = true
		}
		i++
	}
	return i
}

// plain returns the offset of the first byte from i on that is not plain.
func (c *checker) plain(i int) int {
	for i < len(c.text) && class[c.text[i]] == plain {
		i++
	}
	return i
}

// isNone reports whether the character at i is U+FFFE or U+FFFF.
func (c *checker) isNone(i int) bool { return c.has(i, "\uFFFE") || c.has(i, "\uFFFF") }

// entity reads the reference to a character at i and returns which it is and the offset
// behind it. "There is no support for HTML entities like &nbsp; or &copy; etc. Unicode
// characters SHALL be used instead"; HL7's validator reports them too (case xml-bad-entities
// of FHIR/fhir-test-cases).
func (c *checker) entity(i int) (rune, int) {
	code, end := decode(c.text[i:])
	if end == 0 {
		return 0, c.fail(i, wantEntity)
	}
	if !isCharacter(code) {
		return 0, c.fail(i, wantCharacter)
	}
	return code, i + end
}

// decode reads the reference that a text begins with and returns its length, or 0 if it has
// no such form. A code too great for Unicode is returned as one that is not in it.
func decode(text []byte) (code rune, length int) {
	const longest = len("&quot;")
	for i := 1; i < min(len(text), longest); i++ {
		if text[i] != ';' {
			continue
		}
		switch string(text[1:i]) {
		case "lt":
			return '<', i + 1
		case "gt":
			return '>', i + 1
		case "amp":
			return '&', i + 1
		case "quot":
			return '"', i + 1
		case "apos":
			return '\'', i + 1
		}
		break
	}
	if len(text) < 3 || text[1] != '#' {
		return 0, 0
	}
	base, first := rune(10), 2
	if text[2] == 'x' {
		base, first = 16, 3
	}
	for i := first; i < len(text); i++ {
		digit, ok := digitOf(text[i])
		switch {
		case text[i] == ';' && i > first:
			return code, i + 1
		case !ok || digit >= base:
			return 0, 0
		}
		code = min(code*base+digit, tooGreat)
	}
	return 0, 0
}

const tooGreat = 0x110000

func digitOf(b byte) (rune, bool) {
	switch lower := b | 0x20; {
	case b >= '0' && b <= '9':
		return rune(b - '0'), true
	case lower >= 'a' && lower <= 'f':
		return rune(lower-'a') + 10, true
	}
	return 0, false
}

// isCharacter: Char of XML 1.0 (https://www.w3.org/TR/xml/#charsets).
func isCharacter(code rune) bool {
	return code == '\t' || code == '\n' || code == '\r' || code >= ' ' && code <= 0xD7FF ||
		code >= 0xE000 && code <= 0xFFFD || code >= 0x10000 && code < tooGreat
}
