package xhtml

import "strings"

// elementNames are those of the definition of txt-1 in XPath and those that the reference
// validator (HL7's validator_cli) takes: chapters 7 to 11 except 9.4 and chapter 15 of
// HTML 4.0, a and images. A name's place is its number.
var elementNames = strings.Fields(`
	a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn
	div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub
	sup table tbody td tfoot th thead tr tt ul var`)

// attributeNames are, likewise, those that txt-1 has on every element, followed by those
// that the reference validator takes beside them.
var attributeNames = strings.Fields(`
	abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign
	char charoff charset cite class colspan compact coords dir frame headers height href
	hreflang hspace id lang longdesc name nowrap rel rev rowspan rules scope shape span src
	start style summary tabindex title type valign value vspace width
	ismap nohref usemap xml:lang xml:space xmlns`)

// refusedNames are elements of HTML that are refused with a message of their own.
var refusedNames = strings.Fields(`
	applet audio base body button canvas embed form frame frameset head html iframe input link
	math meta noscript object option script select style svg template textarea title video`)

var (
	elements   = numbers(elementNames)
	attributes = numbers(attributeNames)
	refused    = numbers(refusedNames)
)

func numbers(names []string) map[string]uint8 {
	m := make(map[string]uint8, len(names))
	for i, name := range names {
		m[name] = uint8(i)
	}
	return m
}

// Numbers of names that have rules of their own.
var (
	elementArea = elements["area"]
	elementImg  = elements["img"]

	attributeXMLNS = attributes["xmlns"]
	attributeSrc   = attributes["src"]
)

// isMisplaced: images and areas alone have these.
func isMisplaced(attribute string, element uint8) bool {
	switch attribute {
	case "ismap", "usemap":
		return element != elementImg
	case "nohref":
		return element != elementArea
	}
	return false
}

// isAddress: attributes whose value is a URL.
func isAddress(attribute string) bool {
	switch attribute {
	case "cite", "href", "longdesc", "src", "usemap":
		return true
	}
	return false
}
