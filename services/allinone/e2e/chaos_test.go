package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/allinone/internal/chaos"
)

// chaosSeeds are those whose plans, together, have every kind of fault.
var chaosSeeds = []uint64{35, 36, 37, 38, 39}

// TestChaos: whatever is killed, stopped and cut off during imports of two suppliers into two
// datasets, the books balance and the digests are those of an undisturbed run. `make chaos` does the
// same with more of everything.
func TestChaos(t *testing.T) {
	t.Parallel()
	for _, seed := range chaosSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := pgtest.Dir(t)
			pgtest.Cluster(t, filepath.Join(dir, fmt.Sprintf("chaos-%d", seed), "pipeline", "postgres"))
			result, err := chaos.Round(t.Context(), chaos.Options{
				Programs: programs, Dir: dir, Patients: 2, Faults: 8, Longest: time.Second, Patience: 3 * time.Minute,
				Settings: pgtest.Settings(),
			}, seed)
			if failure := (*chaos.Failure)(nil); errors.As(err, &failure) {
				t.Log(failure.Report)
			}
			if err != nil {
				t.Error(err)
			}
			t.Log(result)
		})
	}
}
