package cli

import (
	"strings"
	"testing"
)

func TestCheckTypes(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"Patient":              "",
		"Patient, Observation": "",
		"Patient,observation":  `--type: "observation" is no resource type of FHIR R4; did you mean Observation?`,
		"Observaton":           `--type: "Observaton" is no resource type of FHIR R4`,
		"Resource":             `"Resource" is no`,
		"":                     `"" is no`,
	} {
		switch err := checkTypes("--type", []string{arg}); {
		case want == "" && err != nil:
			t.Errorf("%q: %v", arg, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %s", arg, err, want)
		}
	}
}
