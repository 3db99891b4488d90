package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// errNoResource is what the parser says of a document before it looks at the rest.
var errNoResource = errors.New("resourceType is missing or unknown")

// readers read the same documents: one checks them, one does not.
type readers struct {
	checked *resource.Reader
	plain   resource.Reader
}

// errorsOf checks a document and returns the issues of severity error. The error is that it is
// refused.
func (r *readers) errorsOf(doc []byte) ([]resource.Issue, error) {
	read, err := r.checked.Read(doc, true)
	if err != nil {
		return nil, err
	}
	if !fhirdef.IsResourceType(fhirdef.R4, read.ResourceType.Text) {
		return nil, errNoResource
	}
	var found []resource.Issue
	for _, i := range r.checked.Issues() {
		if i.Severity == "error" {
			found = append(found, i)
		}
	}
	return found, nil
}

// difference says whether the document that was checked last is read otherwise without
// checking, or "".
func (r *readers) difference(doc []byte) string {
	read, refused := r.plain.Read(doc, false)
	switch {
	case !reflect.DeepEqual(r.checked.Err, r.plain.Err):
		return fmt.Sprintf("is refused otherwise with checking: %v, without it: %v", r.checked.Err, refused)
	case refused == nil && !isSame(*r.checked.Document(), *read):
		return "other fields are found with checking than without it"
	case refused == nil && r.checked.Hash() != r.plain.Hash():
		return "the hash differs with checking"
	}
	return ""
}

// isSame compares what was found in a document. It does not tell no URNs from an empty list.
func isSame(a, b resource.Document) bool {
	if len(a.URNs)+len(b.URNs) == 0 {
		a.URNs, b.URNs = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// show writes issues on one line.
func show(issues []resource.Issue) string {
	const most = 4
	var b strings.Builder
	for n, i := range issues {
		if n == most {
			fmt.Fprintf(&b, "; and %d more", len(issues)-most)
			break
		}
		if n > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s %s", i.Code, i.Expression, i.Message)
	}
	return b.String()
}

// withoutIndexes returns an expression as counts of issues have it: Patient.name.given.
func withoutIndexes(expression string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(expression, "[") {
		if _, rest, ok := strings.Cut(part, "]"); ok {
			part = rest
		}
		b.WriteString(part)
	}
	return b.String()
}

// lines returns the lines of a file that are not blank, with their numbers from 1.
func lines(file []byte, each func(number int, line []byte) error) error {
	number := 0
	for line := range bytes.SplitSeq(file, []byte("\n")) {
		number++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := each(number, line); err != nil {
				return err
			}
		}
	}
	return nil
}
