package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/growth"
)

// TestGrowth: a small run of what `make bench-growth` does imports all its steps into one dataset,
// and what it tells of each step is there.
func TestGrowth(t *testing.T) {
	t.Parallel()
	const steps, step = 3, 2000
	dir := pgtest.Dir(t)
	pgtest.Cluster(t, filepath.Join(dir, "postgres"))
	report, err := growth.Run(t.Context(), growth.Options{
		Programs: programs, Dir: dir, Resources: steps*step + step/2, Step: step,
		Settings: map[string]string{"shared_buffers": "64MB"}, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Steps) != steps {
		t.Fatalf("%d steps, want %d", len(report.Steps), steps)
	}
	if got := report.PostgreSQL["shared_buffers"]; got != "64MB" {
		t.Errorf("shared_buffers is %s", got)
	}
	var before growth.Step
	for i, s := range report.Steps {
		if s.Resources != int64(i+1)*step {
			t.Errorf("step %d ends at %d resources", i+1, s.Resources)
		}
		if s.Rate <= 0 || s.Bytes < step*100 || s.WAL <= 0 || s.Stream <= 0 || s.CPU["postgres"] <= 0 || s.Peak["writer"] <= 0 {
			t.Errorf("step %d lacks a figure: %+v", i+1, s)
		}
		if s.Sizes.Heap <= before.Sizes.Heap || s.Sizes.Index <= before.Sizes.Index || s.Sizes.Ledger < before.Sizes.Ledger {
			t.Errorf("step %d: the tables did not grow: %+v", i+1, s.Sizes)
		}
		before = s
	}
}
