// Package fhirdef holds what the FHIR specification defines, as Go tables: for now which
// names are resource types of which version.
//
// The tables are generated from HL7's own definitions packages; the header of each *_gen.go
// file says from which one, with a checksum. The functions are pure and safe for concurrent
// use. The package does not hold the structure of resources yet, nor profiles or
// implementation guides.
package fhirdef

//go:generate go run ./gen -out resourcetypes_gen.go ../../../shared/data/definitions/hl7.fhir.r4.core-4.0.1
