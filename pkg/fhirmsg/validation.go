package fhirmsg

import "fmt"

// Validation is how resources are checked against FHIR's definitions. Whatever it is, rejected
// are what is not JSON or not UTF-8, unknown resource types, resources without a usable id, and
// what the store cannot hold.
type Validation string

const (
	// ValidationOff: nothing else is checked. An import of an older version, which says "", means it.
	ValidationOff Validation = "off"
	// ValidationWarn: what has errors is stored all the same; the issues are reported and counted.
	ValidationWarn Validation = "warn"
	// ValidationStrict: a resource with an error is rejected.
	ValidationStrict Validation = "strict"
)

// Check reports what is not one of the three.
func (v Validation) Check() error {
	switch v {
	case ValidationOff, ValidationWarn, ValidationStrict:
		return nil
	default:
		return fmt.Errorf("%q: must be one of %s | %s | %s", string(v), ValidationStrict, ValidationWarn, ValidationOff)
	}
}

// Checks reports whether resources are checked against the definitions at all.
func (v Validation) Checks() bool { return v == ValidationWarn || v == ValidationStrict }
