package fhirdef

import (
	_ "embed"
	"fmt"
	"sync"
)

//go:embed r4.txt
var tableR4 string

var loadR4 = sync.OnceValues(func() (*Definitions, error) { return decode(tableR4) })

// Load returns the definitions of a version of FHIR. They are decoded once, when first
// asked for, and shared; BenchmarkDecode has the time and memory that takes. It fails for a
// version that is not supported.
func Load(version string) (*Definitions, error) {
	switch version {
	case R4:
		return loadR4()
	default:
		return nil, fmt.Errorf("no definitions of FHIR version %q", version)
	}
}
