// Package xhtml checks narrative (https://hl7.org/fhir/R4/narrative.html).
//
// [Check] reads the text of Narrative.div once: well-formed XML with the one root that JSON
// asks for, <div xmlns="http://www.w3.org/1999/xhtml">, holding the elements and attributes
// that constraint txt-1 has, no active content, and some text or an image (txt-2).
//
// Where the specification is silent, the likely use of a narrative decides: its content is
// put into a page as it is ("often used for the innerHTML property in a browser"). What XML
// and HTML would read differently is refused, as it could hide a script or lose a text:
// CDATA sections, processing instructions, and comments that begin with > or ->. Other
// comments may be there. Names of characters are XML's five; the specification excludes
// HTML's, such as &nbsp;.
//
// Guarantees: it is pure, allocates nothing, does not recurse, and takes time linear in the
// text's length whatever the text. Faults are constants that show nothing of it.
//
// Not checked: which element may stand in which, ids that occur twice, where links lead, and
// styles, which no browser in use executes. The text is taken to be valid UTF-8.
package xhtml
