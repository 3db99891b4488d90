// Package diagnosis guesses why much of an import is rejected: data of another FHIR version, or
// no FHIR resources in JSON at all.
//
// It is a pure function over counts of issues and the beginnings of some rejected lines. What it
// says is for people, names elements of FHIR and nothing of the data, and is a guess: it says
// nothing where it has no good reason to, and it may be wrong.
package diagnosis
