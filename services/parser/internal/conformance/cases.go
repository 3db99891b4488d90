package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// testCase is a case of HL7's validator, with its outcome there.
type testCase struct {
	Path       string `json:"path"`
	Expect     string `json:"expect"` // valid, invalid, invalid-binding, beyond
	Reason     string `json:"reason"`
	At         string `json:"at"`
	Case       string `json:"case"`
	Confidence string `json:"confidence"`
}

// argueableCases is the share of the cases that may be argued.
const argueableCases = 0.01

// testCases runs the cases of https://github.com/FHIR/fhir-test-cases: valid ones have no
// error, invalid ones have one at the place that HL7's validator names.
func testCases(r *report) error {
	dir, err := datatest.Dir("fhir-test-cases")
	if err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(dir, "expectations.json"))
	if err != nil {
		return err
	}
	var cases []testCase
	if err := json.Unmarshal(list, &cases); err != nil {
		return fmt.Errorf("expectations.json: %w", err)
	}
	reader, err := r.reader()
	if err != nil {
		return err
	}
	beyond, found := 0, 0
	for _, c := range cases {
		doc, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(c.Path)))
		if err != nil {
			return err
		}
		issues, refused := reader.errorsOf(doc)
		if c.Expect == "beyond" {
			beyond++
			if refused != nil || len(issues) > 0 {
				found++
			}
			continue
		}
		r.judge(c.Path, disputedCases, c.difference(issues, refused))
	}
	if argued := len(r.result.Argued); float64(argued) > argueableCases*float64(len(cases)) {
		r.wrong("(the arguments)", nil, "%d of %d cases are argued, more than %g %%", argued, len(cases), 100*argueableCases)
	}
	r.note("%d of %d cases that need terminology, profiles or questionnaires (beyond) have errors here too", found, beyond)
	return nil
}

// difference is what is not as HL7's validator has it.
func (c testCase) difference(issues []resource.Issue, refused error) string {
	switch {
	case c.Expect == "valid" && refused != nil:
		return "is refused: " + refused.Error()
	case c.Expect == "valid":
		return show(issues)
	case refused != nil: // there is no path in what is not JSON
		return ""
	case len(issues) == 0:
		return "has no error; expected at " + c.At + ": " + c.Reason
	}
	at := javaComment.ReplaceAllString(c.At, "")
	for _, i := range issues {
		if isNear(i.Expression, at) {
			return ""
		}
	}
	return "has errors elsewhere; expected at " + at + ": " + c.Reason + "; got " + show(issues)
}

// javaComment is what HL7's validator puts behind a resource in a path: /*Patient/1*/.
var javaComment = regexp.MustCompile(`/\*.*?\*/`)

// isNear reports whether one path is the other, or that of its parent: what is missing or
// unknown is reported at either.
func isNear(got, want string) bool {
	return got == want || parentOf(got) == want || parentOf(want) == got
}

func parentOf(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i > 0 && strings.HasPrefix(path[i:], ".ofType(") {
		i = strings.LastIndexByte(path[:i], '.')
	}
	return path[:max(i, 0)]
}
