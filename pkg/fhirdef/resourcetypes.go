package fhirdef

// R4 is the version of FHIR that the tables are of.
const R4 = "4.0.1"

// Supports reports whether there are definitions of a version of FHIR.
func Supports(version string) bool { return version == R4 }

// ResourceTypes returns the names of the resource types of a version of FHIR, sorted. The
// abstract ones, Resource and DomainResource, are not among them. The slice is the caller's;
// it is nil for a version that the package does not know.
func ResourceTypes(version string) []string {
	d, err := Load(version)
	if err != nil {
		return nil
	}
	return append([]string(nil), d.resources.names()...)
}

// IsResourceType reports whether name is among [ResourceTypes] of a version. It allocates
// nothing, but for the first time.
func IsResourceType(version string, name []byte) bool {
	d, err := Load(version)
	return err == nil && d.Resource(name) != nil
}
