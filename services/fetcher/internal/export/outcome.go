package export

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Limits of what is repeated of a server's OperationOutcome.
const (
	maxIssues = 3
	maxText   = 160 // characters of one issue
)

// outcome is what is read of an OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html).
type outcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []issue `json:"issue"`
}

type issue struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Details  struct {
		Text string `json:"text"`
	} `json:"details"`
	Diagnostics string `json:"diagnostics"`
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

// String is the issues for people: codes, and of their texts a part without what may identify somebody.
func (o *outcome) String() string {
	var texts []string
	for _, i := range o.Issue[:min(len(o.Issue), maxIssues)] {
		text := i.Details.Text
		if text == "" {
			text = i.Diagnostics
		}
		what := code(i.Code)
		if text = harmless(text); text != "" {
			what = strings.TrimPrefix(what+": "+text, ": ")
		}
		if what != "" {
			texts = append(texts, what)
		}
	}
	return strings.Join(texts, "; ")
}

// personal is what may identify somebody: what is quoted, references, queries, and words with digits, as dates, numbers and
// ids have them. Codes of HTTP and other small numbers stay.
var personal = regexp.MustCompile(`"[^"]*"|'[^']*'|[A-Za-z]+/[^\s,;)]+|\S*[?=@]\S*|\S*\d\S{3,}|\S{3,}\d\S*`)

// harmless is a server's text, shortened, without what may identify somebody.
func harmless(s string) string {
	if len(s) > 4*maxText {
		s = s[:4*maxText]
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	s = personal.ReplaceAllString(s, "…")
	if runes := []rune(s); len(runes) > maxText {
		s = string(runes[:maxText]) + "…"
	}
	return s
}

// Codes are the severity and code of each issue of a line of a file of OperationOutcomes: "error not-found".
func Codes(line []byte) (codes []string) {
	o := readOutcome(line)
	if o == nil {
		return nil
	}
	for _, i := range o.Issue {
		if c := strings.TrimSpace(code(i.Severity) + " " + code(i.Code)); c != "" && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return codes
}
