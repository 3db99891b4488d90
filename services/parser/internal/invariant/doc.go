// Package invariant checks the constraints that FHIR's definitions put on objects
// (ElementDefinition.constraint), without an engine for FHIRPath: each has a rule in Go,
// beside the expression that it stands for. A rule is about which elements are there, and
// compiles to masks of bits, or a condition on values that is tried only where such a mask
// says that it matters. docs/validation.md lists what is checked and what is not; it is
// generated from the rules.
//
// FHIRPath knows a third result beside true and false: empty, where something that it
// compares is missing. The specification leaves open what that means for a constraint. HL7's
// validator takes it for false; that would report the start and end of a Period whose order
// cannot be known, and a required element that is missing once more for each constraint that
// names it. Here the rule is: an optional element that is not there is not equal to anything,
// so that the comparison is false. Nothing is reported where it is not known that the
// constraint is broken: where a required element is missing, which is reported as such, where
// there is an extension in place of a value, and where the order of two dates or quantities is
// not determined. Of the examples that HL7 publishes with the specification none fails but
// those listed in the test.
//
// Guarantees: what is reported is broken; time is linear in an object's length times the
// depth of its nesting, but for sorting hashes of texts that must differ; nothing is allocated in the steady state where
// nothing is found and no string that must be read has escapes. Findings tell nothing of the
// data.
//
// Not guaranteed: that an object without findings is free of faults. Structure, cardinality,
// primitives, bindings, references and narrative are checked elsewhere in the parser, and
// objects that break their rules may have findings here or not.
package invariant

//go:generate go run ./gen ../../../../docs/validation.md
