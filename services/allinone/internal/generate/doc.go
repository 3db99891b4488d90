// Package generate makes synthetic FHIR R4 data: the dataset behind "stoker generate", for
// trying Stoker out, for tests and for benchmarks. Nothing in it describes a real person;
// names, places and texts come from this package's own word lists, and every resource is
// labelled as test data (meta.security HTEST).
//
// What it guarantees:
//
//   - The same seed gives the same bytes, on every machine and with every version of Go: all
//     chance comes from PCG streams derived from the seed, there is no clock, no order
//     of maps, and no floating point. A change of this package may change them; a test
//     pins them, so that it does not happen unnoticed.
//   - Patient i depends on the seed and i only, and the shared organizations, locations and
//     practitioners grow with the patients. So each file of a smaller run is a prefix of the
//     same file of a larger run.
//   - The data is self-consistent: ids are unique, and every relative reference names a
//     resource of the same dataset.
//   - Another [Options.Revision] gives the same ids, each with a later meta.lastUpdated and
//     other content: what an update looks like.
//   - Memory does not grow with the number of patients.
//
// What it does not guarantee: medical sense beyond plausibility, nor conformance to any
// profile. It holds to the base specification's structure, data types and bindings; a test
// checks that against the definitions of R4.
package generate
