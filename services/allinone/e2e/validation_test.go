package e2e

import (
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// TestValidationModes imports data of which every Condition and DiagnosticReport has an
// element that R4 does not have, and one ImplementationGuide lacks its fhirVersion: strict keeps
// exactly those out, warn stores them and reports the same.
func TestValidationModes(t *testing.T) {
	t.Parallel()
	env := shared(t)
	folder := data(t, "suppliers/fhir-test-data-r4")
	kinds := func(s ledger.Status) map[string]int64 {
		counts := map[string]int64{}
		for _, k := range s.IssueKinds {
			counts[k.Severity+" "+k.Code+" "+k.Expression] = k.Count
		}
		return counts
	}
	strict := importJSON(t, env, "--dataset", "strict", "--validation", "strict", "--max-rejects", "off", folder)
	wantBalanced(t, "strict", strict)
	warn := importJSON(t, env, "--dataset", "warned", "--validation", "warn", folder)
	wantBalanced(t, "warn", warn)
	off := importJSON(t, env, "--dataset", "unchecked", "--validation", "off", folder)
	wantBalanced(t, "off", off)

	const bad = 310 + 108 + 1
	if strict.Lines.Read != 3171 || strict.Lines.Rejected != bad || strict.Resources.Inserted != 3171-bad {
		t.Errorf("strict: lines %+v, resources %+v; want %d of 3171 rejected", strict.Lines, strict.Resources, bad)
	}
	if warn.Lines.Rejected != 0 || warn.Resources.Inserted != 3171 || warn.Resources.Issues < bad {
		t.Errorf("warn: lines %+v, resources %+v; want all 3171 stored, with issues", warn.Lines, warn.Resources)
	}
	if off.Lines.Rejected != 0 || off.Resources.Inserted != 3171 || len(off.IssueKinds) != 0 {
		t.Errorf("off: lines %+v, resources %+v, issues %+v", off.Lines, off.Resources, off.IssueKinds)
	}
	for _, s := range []ledger.Status{strict, warn} {
		got := kinds(s)
		for kind, want := range map[string]int64{
			"error structure Condition.context": 310, "error structure DiagnosticReport.context": 108,
			"error required ImplementationGuide.fhirVersion": 1,
		} {
			if got[kind] != want {
				t.Errorf("%s: %d × %s, want %d", s.Validation, got[kind], kind, want)
			}
		}
	}
	for line := range strings.Lines(stoker(t, env, "", "rejects", strict.Import.String()).stdout) {
		if !strings.Contains(line, `.context"]`) && !strings.Contains(line, `"ImplementationGuide.fhirVersion"]`) {
			t.Errorf("rejected for something else: %s", line)
		}
	}
	if n := strings.Count(stoker(t, env, "", "issues", warn.Import.String()).stdout, "\n"); n < bad {
		t.Errorf("%d resources reported of those stored with issues, want all", n)
	}
}
