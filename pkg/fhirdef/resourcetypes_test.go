package fhirdef

import (
	"slices"
	"testing"
)

func TestResourceTypes(t *testing.T) {
	t.Parallel()
	types := ResourceTypes(R4)
	if len(types) != 146 || !slices.IsSorted(types) {
		t.Errorf("%d types, sorted %v; want 146, sorted", len(types), slices.IsSorted(types))
	}
	for _, name := range types {
		if !IsResourceType(R4, []byte(name)) {
			t.Errorf("IsResourceType(%s) = false", name)
		}
	}
	types[0] = "changed"
	if ResourceTypes(R4)[0] == "changed" {
		t.Error("a caller can change the table")
	}
	if Supports("3.0.2") || ResourceTypes("3.0.2") != nil || IsResourceType("3.0.2", []byte("Patient")) {
		t.Error("an unknown version has types")
	}
}

func TestIsResourceType(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"Patient": true, "Bundle": true, "Parameters": true, "Binary": true, "OperationOutcome": true,
		"Resource": false, "DomainResource": false, "HumanName": false, "patient": false, "Patients": false, "": false,
	}
	for name, want := range tests {
		if got := IsResourceType(R4, []byte(name)); got != want {
			t.Errorf("IsResourceType(%q) = %v, want %v", name, got, want)
		}
	}
}

// TestIsResourceTypeAllocatesNothing is alone: allocations of other tests would be counted.
func TestIsResourceTypeAllocatesNothing(t *testing.T) {
	name := []byte("Observation")
	if n := testing.AllocsPerRun(100, func() { IsResourceType(R4, name) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
