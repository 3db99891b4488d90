package resource

import (
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// Issue is one finding about a resource, with the names of OperationOutcome.issue
// (https://hl7.org/fhir/R4/operationoutcome.html).
type Issue struct {
	Severity   string // error | warning
	Code       string // issue-type: structure, required, value, code-invalid, invariant, not-found
	Expression string // FHIRPath with indexes: Patient.name[0].given[1]
	Message    string // what was expected; never content
	Offset     int    // in bytes from the document's beginning
}

const (
	// maxIssues is how many issues of a resource are kept, without those of resources that are
	// entries of it. The first error is kept besides: it decides what becomes of the resource.
	maxIssues = 100
	// maxIssuesInAll is how many issues of a document are kept before only the first issue and
	// the first error of each resource are.
	maxIssuesInAll = 10000
)

// Issues returns what was found in the document read last, in the order in which it was. An
// object's own issues come behind those of its members.
func (r *Reader) Issues() []Issue { return r.issues }

func (r *Reader) resetChecks() {
	r.top, r.scope = -1, -1
	clear(r.issues)
	r.issues = lex.Keep(r.issues, maxIssues)
	r.mentions = lex.Keep(r.mentions, 1<<12)
	r.steps = lex.Keep(r.steps, 1<<14)
	r.contained = lex.Keep(r.contained, 1<<12)
	r.filled, r.choices = lex.Keep(r.filled, 1<<12), lex.Keep(r.choices, 1<<12)
	if len(r.suggestions) >= maxSuggestions {
		clear(r.suggestions)
	}
}

// report adds an issue about the member in hand, or about the object in hand if there is
// none.
func (r *Reader) report(at int, severity, code, message string) {
	if r.isFull(severity) {
		return
	}
	r.add(Issue{Severity: severity, Code: code, Expression: string(r.path()), Message: message, Offset: at})
}

// reportChild adds an issue about a member of the object in hand by its name.
func (r *Reader) reportChild(name string, at int, severity, code, message string) {
	if r.isFull(severity) {
		return
	}
	f := &r.frames[r.top]
	f.member = nil
	path := r.path()
	if name != "" {
		path = append(append(path, '.'), name...)
	}
	r.add(Issue{Severity: severity, Code: code, Expression: string(path), Message: message, Offset: at})
}

// isFull reports whether an issue of the resource in hand is left out. There is one: outside of
// all of them nothing is checked.
func (r *Reader) isFull(severity string) bool {
	f := &r.frames[r.scope]
	if severity == "error" && !f.hasError {
		return false
	}
	return f.kept >= maxIssues || f.kept > 0 && len(r.issues) >= maxIssuesInAll
}

func (r *Reader) add(i Issue) {
	r.issues = append(r.issues, i)
	f := &r.frames[r.scope]
	f.kept++
	f.hasError = f.hasError || i.Severity == "error"
	f.unclear = f.unclear || isContained(f.member)
}

func isContained(m *fhirdef.Member) bool { return m != nil && m.Element.Name == "contained" }
