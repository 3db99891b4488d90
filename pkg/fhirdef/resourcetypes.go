package fhirdef

import "slices"

// R4 is the version of FHIR that the tables are of.
const R4 = "4.0.1"

// Supports reports whether there are tables for a version of FHIR.
func Supports(version string) bool { return version == R4 }

// ResourceTypes returns the names of the resource types of a version of FHIR, sorted. The
// abstract ones, Resource and DomainResource, are not among them. The slice is the caller's;
// it is nil for a version that the package does not know.
func ResourceTypes(version string) []string {
	if version != R4 {
		return nil
	}
	return slices.Clone(resourceTypesR4[:])
}

// IsResourceType reports whether name is among [ResourceTypes] of a version. It allocates
// nothing.
func IsResourceType(version string, name []byte) bool {
	return version == R4 && isResourceTypeR4(name)
}
