package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func TestPrintComparison(t *testing.T) {
	t.Parallel()
	c := ledger.Comparison{
		Supplier: "clinic-a", Dataset: "clinic-a", State: ledger.StateComplete, Now: ledger.Delivered{Resources: 12000}, Before: &ledger.Delivered{Resources: 11000},
		Findings: []ledger.Finding{{Text: "something changed"}},
		Types: []ledger.TypeComparison{{
			Type: "Observation", Now: ledger.TypeFigures{Resources: 12000, Profiled: 12000, First: "2020", Last: "2026-01-31"}, Before: ledger.TypeFigures{Resources: 11000, Profiled: 11000},
			Elements: []ledger.ElementComparison{{Element: "id", Rate: 1, Last: 1}, {Element: "valueQuantity", Rate: 0.71, Last: 0.98}},
		}},
		Rejects: []ledger.RejectReason{{Severity: "error", Code: "structure", Now: 3}},
	}
	var out bytes.Buffer
	a := &app{io: IO{Out: &out}}
	a.printComparison(c)
	for _, want := range []string{"! something changed\n", "resources  12,000  11,000", ".valueQuantity  71.0 %", "98.0 %", "1 others", "2026-01-31", "(line)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
	for _, side := range []*ledger.TypeFigures{&c.Types[0].Now, &c.Types[0].Before} { // one of them was not validated
		out.Reset()
		profiled := side.Profiled
		side.Profiled = 0
		c.Types[0].Elements = []ledger.ElementComparison{{Element: "id", Rate: 1, Last: 1}, {Element: "valueQuantity", Rate: 0.71, Last: 0.71}}
		a.printComparison(c)
		side.Profiled = profiled
		if n := strings.Count(out.String(), "71.0 %") + strings.Count(out.String(), "100.0 %"); n != 2 || strings.Contains(out.String(), " 0.0 %") {
			t.Errorf("what is not known is told:\n%s", out.String())
		}
	}
	out.Reset()
	a.printComparison(ledger.Comparison{})
	if !strings.Contains(out.String(), "there is no earlier one") {
		t.Errorf("the first: %s", out.String())
	}
}
