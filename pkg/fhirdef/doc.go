// Package fhirdef holds what the FHIR specification defines: the types of resources and data
// with their elements, the constraints on them, and the value sets of required bindings.
//
// A version of FHIR is a table of text, such as r4.txt, which is generated from HL7's own
// definitions packages; its header says from which files, with their checksums. [Load] decodes
// it when it is first needed. What it returns never changes and is safe for concurrent use;
// to look something up allocates nothing.
//
// The definitions are those of the base specification. The package holds no profiles, no
// implementation guides, no bindings that are weaker than required, and no codes of other
// standards, such as LOINC or UCUM. It checks nothing itself.
package fhirdef

//go:generate go run ./gen -out r4.txt ../../../shared/data/definitions/hl7.fhir.r4.core-4.0.1
