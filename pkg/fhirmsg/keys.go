package fhirmsg

import "fmt"

// Keys is the policy by which a supplier's resources get their keys.
type Keys string

// The key policies.
const (
	KeysKeep   Keys = "keep"   // ids as they come
	KeysScoped Keys = "scoped" // an id of Stoker's for each supplier and Type/id; references follow
)

// Check reports a policy that is not known.
func (k Keys) Check() error {
	if k != KeysKeep && k != KeysScoped {
		return fmt.Errorf("%q: must be %s or %s", string(k), KeysKeep, KeysScoped)
	}
	return nil
}
