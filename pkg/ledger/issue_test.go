package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func issueCount(code, expression string, n, line int64) fhirmsg.IssueCount {
	return fhirmsg.IssueCount{Severity: "error", Code: code, Expression: expression, Count: n, Line: line, Diagnostics: code + " at " + expression}
}

func TestIssuesAreCountedByKind(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 5)
	first, second := parsedStatement(imp, 5, 5), parsedStatement(imp, 4, 4)
	first.IssueCounts = []fhirmsg.IssueCount{issueCount("structure", "Condition.context", 3, 2), issueCount("value", "Patient.birthDate", 1, 4)}
	second.Offset = 100
	second.IssueCounts = []fhirmsg.IssueCount{issueCount("structure", "Condition.context", 2, 6), issueCount("required", "", 4, 7)}
	divergent := first
	divergent.Fingerprint = fhirmsg.HashOf([]byte("other"))
	divergent.IssueCounts = []fhirmsg.IssueCount{issueCount("structure", "Other.thing", 9, 2)}
	for range 2 { // saying it twice changes nothing, and what contradicts it is not counted
		check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{second, first, divergent}))
	}
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	want := []IssueKind{
		{"error", "structure", "Condition.context", "structure at Condition.context", 5, "a", 2},
		{"error", "required", "", "required at ", 4, "a", 7},
		{"error", "value", "Patient.birthDate", "value at Patient.birthDate", 1, "a", 4},
	}
	if diff := cmp.Diff(want, s.IssueKinds); diff != "" || s.MoreIssueKinds != 0 {
		t.Errorf("kinds of issues, %d more (-want +got):\n%s", s.MoreIssueKinds, diff)
	}
	p, err := l.Progress(t.Context(), imp.ID)
	check(t, err)
	if p.IssueKinds != nil || p.Lines != s.Lines {
		t.Errorf("progress has %d kinds of issues, lines %+v", len(p.IssueKinds), p.Lines)
	}
}

func TestManyKindsOfIssues(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 5)
	s := parsedStatement(imp, 5, 5)
	for i := range maxIssueKinds + 23 {
		s.IssueCounts = append(s.IssueCounts, issueCount("structure", fmt.Sprintf("Patient.x%d", i), int64(i+1), 1))
	}
	check(t, l.RecordParsed(t.Context(), []fhirmsg.Statement{s}))
	got, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if len(got.IssueKinds) != maxIssueKinds || got.MoreIssueKinds != 23 || got.IssueKinds[0].Count != maxIssueKinds+23 {
		t.Errorf("%d kinds, %d more, the first %+v", len(got.IssueKinds), got.MoreIssueKinds, got.IssueKinds[0])
	}
}

// TestStoredIsNoReject: what was stored in spite of its issues is reported, and counts as a
// reject nowhere, until a writer rejects it.
func TestStoredIsNoReject(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	imp := l.fetchOne(t, 2)
	stored := fhirmsg.Reject{
		Line: 1, Type: "Patient", ID: "p", Stored: true, Issues: []fhirmsg.Issue{
			{Severity: "error", Code: "value", Diagnostics: "must be a date", Expression: "Patient.birthDate", Line: 1, Column: 33, Offset: 32},
		},
	}
	bad := fhirmsg.Reject{Line: 2, Type: "Patient", ID: "p", Raw: []byte("{}"), Issues: []fhirmsg.Issue{{Severity: "error", Code: "required", Diagnostics: "id"}}}
	check(t, l.RecordRejects(t.Context(), []fhirmsg.Rejects{{RejectsHeader: fhirmsg.RejectsHeader{Import: imp}, Items: []fhirmsg.Reject{stored, bad}}}))
	rejects := func() (rejected, reported []string) {
		add := func(list *[]string) func(r RejectRow) error {
			return func(r RejectRow) error {
				o, err := r.OperationOutcome()
				*list = append(*list, string(o))
				return err
			}
		}
		check(t, l.Rejects(t.Context(), imp.ID, add(&rejected)))
		check(t, l.Reported(t.Context(), imp.ID, add(&reported)))
		return rejected, reported
	}
	rejected, reported := rejects()
	if len(rejected) != 1 || len(reported) != 2 {
		t.Fatalf("%d rejected, %d reported; want 1 and 2", len(rejected), len(reported))
	}
	for _, want := range []string{
		`"diagnostics":"a, line 1, column 33: must be a date"`, `"details":{"text":"must be a date"}`, `"expression":["Patient.birthDate"]`,
		`{"url":"http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line","valueInteger":1}`,
		`{"url":"http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col","valueInteger":33}`,
		`{"url":"` + extensionBase + `offset","valueDecimal":32}`, `{"url":"` + extensionBase + `stored","valueBoolean":true}`,
	} {
		if !strings.Contains(reported[0], want) {
			t.Errorf("%s lacks %s", reported[0], want)
		}
	}
	if of, err := l.RejectsOf(t.Context(), imp.Dataset, "Patient", "p"); err != nil || len(of) != 1 {
		t.Errorf("%d rejects of the resource, %v; want 1", len(of), err)
	}

	refused := fhirmsg.Reject{Line: 1, Type: "Patient", ID: "p", Raw: []byte(`{"resourceType":"Patient"}`), Issues: []fhirmsg.Issue{{Severity: "error", Code: "processing", Diagnostics: "no"}}}
	for range 2 {
		check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error { return RecordReject(t.Context(), tx, imp.ID, 0, refused) }))
	}
	rejected, reported = rejects()
	if len(rejected) != 2 || len(reported) != 2 || !strings.Contains(rejected[0], "must be a date") || !strings.Contains(rejected[0], ": no") {
		t.Errorf("rejected %s", rejected)
	}
	s, err := l.Status(t.Context(), imp.ID)
	check(t, err)
	if want := []IssueKind{{"error", "processing", "", "no", 1, "a", 1}}; !cmp.Equal(want, s.IssueKinds) {
		t.Errorf("kinds of issues %+v, want %+v", s.IssueKinds, want)
	}
}
