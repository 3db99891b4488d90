// Package conformance measures what package resource accepts and reports against data that
// others judged: a test suite of JSON, the examples of the specification, the cases of HL7's
// validator, lists of primitive values, suppliers' files beside the verdicts of a JSON schema,
// and thousands of single mutations of valid resources.
//
// A [Suite] is run as a whole and counts its cases: agreed, where the verdict is the expected
// one; argued, where it is not and the table of the suite says why not; wrong. An argument
// that no case needs any more is wrong too. The data lies beside the repository in
// ../shared/data; a suite that does not find it fails. `make conformance` runs all suites in
// full and prints the table; the tests of this package run the same code with fewer mutations.
//
// Not guaranteed: that what no case asks for is right.
package conformance
