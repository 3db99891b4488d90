// Package primitive checks values of FHIR's primitive types and orders dates and numbers
// (https://hl7.org/fhir/R4/datatypes.html#primitive).
//
// The rules are the specification's words as well as its regular expressions: the calendar
// has leap years, an integer has 32 bits, a code has single spaces only. A value is the text
// of a JSON string after unescaping, or a JSON number as written.
//
// Guarantees: functions are pure, never fail and allocate nothing; time is linear in the
// value's length. Messages are constants: they say what was expected and hold no value.
//
// Not checked: whether a code is of a value set, an address leads anywhere, a decimal fits
// the store, base64 is what its content type says, or markdown renders. Narrative is package
// xhtml's, references are package reference's.
package primitive
