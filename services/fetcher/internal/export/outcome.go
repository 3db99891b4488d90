package export

import (
	"encoding/json"
	"slices"
	"strings"
)

// maxIssues is how many issues of a server's OperationOutcome are repeated.
const maxIssues = 3

// outcome is what is read of an OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html).
type outcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []issue `json:"issue"`
}

type issue struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
}

// readOutcome reads an OperationOutcome; nil where the content is none.
func readOutcome(content []byte) *outcome {
	var o outcome
	if err := json.Unmarshal(content, &o); err != nil || o.ResourceType != "OperationOutcome" {
		return nil
	}
	return &o
}

// passes reports whether the server says that asking again may help (https://hl7.org/fhir/R4/valueset-issue-type.html,
// transient and those of its kind that are no failure of the work itself).
func (o *outcome) passes() bool {
	return slices.ContainsFunc(o.Issue, func(i issue) bool {
		return slices.Contains([]string{"transient", "lock-error", "no-store", "timeout", "throttled"}, i.Code)
	})
}

// code is what may be a code of FHIR, or "".
func code(s string) string {
	other := func(c rune) bool { return (c < 'a' || c > 'z') && c != '-' }
	if len(s) > 32 || strings.ContainsFunc(s, other) {
		return ""
	}
	return s
}

// String is the issues for people, by their codes. What a server says in words may name patients.
func (o *outcome) String() string {
	codes := o.codes()
	return strings.Join(codes[:min(len(codes), maxIssues)], "; ")
}

// codes are the severity and code of each issue, each once: "error not-found".
func (o *outcome) codes() (codes []string) {
	for _, i := range o.Issue {
		if c := strings.TrimSpace(code(i.Severity) + " " + code(i.Code)); c != "" && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return codes
}

// Codes are the severity and code of each issue of a line of a file of OperationOutcomes: "error not-found".
func Codes(line []byte) []string {
	o := readOutcome(line)
	if o == nil {
		return nil
	}
	return o.codes()
}
