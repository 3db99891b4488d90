package xhtml

// MaxDepth is how many elements may be within one another.
const MaxDepth = 128

const namespace = "http://www.w3.org/1999/xhtml"

// What is expected of narrative.
const (
	wantRoot      = `must be one <div xmlns="http://www.w3.org/1999/xhtml"> with all content in it (txt-1)`
	wantNamespace = `must be xmlns="http://www.w3.org/1999/xhtml" (txt-1)`
	wantContent   = "must have some text or an image, not only white space (txt-2)"
	wantElement   = "must be an element of basic formatting in lower case, such as p, div, span, table, ul, b, a or img (txt-1)"
	wantAttribute = "must be an attribute that narrative may have there, in lower case, such as class, style, href or title (txt-1)"
	wantInactive  = "must have no scripts, handlers of events, forms, frames, objects or external styles (txt-1)"
	wantAddress   = "must be an address without active content: no javascript:, and data: only with an image, plain text or PDF (txt-1)"

	wantClosed    = "must be well-formed: every element closed, the last one opened first"
	wantShallow   = "must have at most 128 elements within one another"
	wantTag       = `must be well-formed: a tag is <name attribute="value">, </name> or <name/>`
	wantValue     = `must be well-formed: an attribute is name="value"`
	wantOnce      = "must be well-formed: an attribute is there once"
	wantEscaped   = "must be well-formed: < is written &lt;"
	wantEntity    = "must be well-formed: & is written &amp;, and characters have no names but &lt; &gt; &amp; &quot; &apos; (a no-break space is &#160;)"
	wantCharacter = "must be well-formed: no control characters and none that is not in Unicode"
	wantBrackets  = "must be well-formed: ]]> is written ]]&gt;"
	wantComment   = "must be well-formed: a comment is <!-- text -->, without -- in the text or > at its begin"
	wantMarkup    = "must have no CDATA sections, processing instructions and document types"
)

// failed is what is returned for the offset behind what was read once there is a fault.
const failed = -1

type checker struct {
	text  []byte
	at    int // of the fault
	fault string

	depth      int
	open       [MaxDepth]uint8 // numbers of the elements that are open
	hasContent bool            // txt-2

	seen     uint64    // attributes of the tag in hand, by number
	prefixes [4][]byte // namespaces that it declares
	declared int
}

// Check returns "" if the text of Narrative.div, unescaped, is right, else what is expected
// and the offset in the text where it is not.
func Check(div []byte) (at int, fault string) {
	c := checker{text: div}
	if c.document() == failed {
		return c.at, c.fault
	}
	return 0, ""
}

func (c *checker) fail(at int, fault string) int {
	c.at, c.fault = at, fault
	return failed
}

// document reads the root and all that is in it. In JSON, "the characters between the first
// '>' and the last '<' delimiters is the content of the <div> element": nothing but white
// space is outside of it.
func (c *checker) document() int {
	i := c.space(0)
	if name := c.name(i + 1); c.byteAt(i) != '<' || string(c.text[i+1:name]) != "div" {
		return c.fail(i, wantRoot)
	}
	start := i
	if i = c.startTag(i); i == failed {
		return failed
	}
	if c.seen>>attributeXMLNS&1 == 0 {
		return c.fail(start, wantRoot)
	}
	for c.depth > 0 {
		if i = c.characters(i); i == failed {
			return failed
		}
		if i = c.markup(i); i == failed {
			return failed
		}
	}
	if i = c.space(i); i < len(c.text) {
		return c.fail(i, wantRoot)
	}
	if !c.hasContent {
		return c.fail(start, wantContent)
	}
	return i
}

// markup reads what begins with the < at i.
func (c *checker) markup(i int) int {
	switch b := c.byteAt(i + 1); {
	case i == len(c.text):
		return c.fail(i, wantClosed)
	case b == '/':
		return c.endTag(i)
	case b == '!' && c.has(i, "<!--"):
		return c.comment(i)
	case b == '!' || b == '?':
		return c.fail(i, wantMarkup)
	case isNameStart(b):
		return c.startTag(i)
	default:
		return c.fail(i, wantEscaped)
	}
}

// comment reads the comment at i. One that begins with > or -> is none in HTML, which would
// read as content what XML does not.
func (c *checker) comment(i int) int {
	start := i
	i += len("<!--")
	if c.has(i, ">") || c.has(i, "->") {
		return c.fail(start, wantComment)
	}
	for ; i < len(c.text); i++ {
		switch class[c.text[i]] {
		case control:
			return c.fail(i, wantCharacter)
		case maybeNone:
			if c.isNone(i) {
				return c.fail(i, wantCharacter)
			}
		}
		if c.text[i] == '-' && c.has(i, "--") {
			if !c.has(i, "-->") {
				return c.fail(start, wantComment)
			}
			return i + len("-->")
		}
	}
	return c.fail(start, wantComment)
}

// byteAt returns the byte at i, or 0 at the end: a control character, which is nowhere
// expected.
func (c *checker) byteAt(i int) byte {
	if i < len(c.text) {
		return c.text[i]
	}
	return 0
}

func (c *checker) has(i int, s string) bool {
	return len(c.text)-i >= len(s) && string(c.text[i:i+len(s)]) == s
}

func (c *checker) space(i int) int {
	for i < len(c.text) && class[c.text[i]] == space {
		i++
	}
	return i
}
