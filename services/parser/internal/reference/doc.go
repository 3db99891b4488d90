// Package reference reads the text of literal references
// (https://hl7.org/fhir/R4/references.html#literal).
//
// [Parse] tells which kind of address a text is and where the type, id and version are in it.
//
// Guarantees: it is pure, allocates nothing, takes linear time, and a text that is none of
// the kinds has a Fault that says what was expected and shows nothing of it.
//
// Not judged: whether there is a type of that name, whether it may be referred to from the
// element, and whether anything is at the address.
package reference
