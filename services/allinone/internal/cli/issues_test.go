package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func TestPrintIssues(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{io: IO{Out: &out}}
	a.printIssues(ledger.Status{})
	if out.Len() > 0 {
		t.Errorf("of no issues: %q", out.String())
	}
	a.printIssues(ledger.Status{MoreIssueKinds: 1234, IssueKinds: []ledger.IssueKind{
		{Severity: "error", Code: "structure", Expression: "Condition.context", Diagnostics: "unknown element", Count: 310000, FirstFile: "c.ndjson", FirstLine: 7},
		{Severity: "error", Code: "value", Diagnostics: strings.Repeat("ä", 100), Count: 1, FirstFile: "c.ndjson", FirstLine: 9},
	}})
	want := []string{
		"", "COUNT    SEVERITY  CODE       WHERE              WHAT",
		"310,000  error     structure  Condition.context  unknown element",
		"1        error     value      (line)             " + strings.Repeat("ä", 89) + "…  c.ndjson:9",
		"… and 1,234 more kinds of issues", "",
	}
	got := strings.Split(out.String(), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d: %q, want %q", i, got[i], want[i])
		}
	}
}

func TestPrintRemarks(t *testing.T) {
	t.Parallel()
	id, retry := fhirmsg.ImportID{1}, fhirmsg.ImportID{2}
	s := ledger.Status{
		Import: id, State: ledger.StateComplete, Validation: fhirmsg.ValidationStrict, Lines: ledger.Lines{Rejected: 3},
		Resources: ledger.Resources{Issues: 5}, Retries: []fhirmsg.ImportID{retry},
	}
	var out bytes.Buffer
	(&app{io: IO{Out: &out}}).printRemarks(s)
	for _, want := range []string{
		"3 rejected; see why with: stoker rejects " + id.String(), "stoker retry " + id.String() + " --validation warn",
		"5 issues in what was stored all the same; see them with: stoker issues " + id.String(), "by import " + retry.String(),
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the remarks lack %q:\n%s", want, out.String())
		}
	}
}
