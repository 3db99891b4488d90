package writer

import (
	"sync"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

// warnEvery is the least time between two warnings.
const warnEvery = time.Minute

// foreigners adds up what took the place of other suppliers' rows, so that a warning tells of all since the last.
type foreigners struct {
	mu     sync.Mutex
	rows   int64
	warned time.Time
}

// foreign counts rows that took the place of another supplier's: where two suppliers keep their ids in one
// dataset, that may be two patients under one id.
func (w *writer) foreign(imp fhirmsg.Import, rows int64) {
	if rows == 0 {
		return
	}
	w.deps.Metrics.Foreign(rows)
	f := &w.foreigners
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows += rows
	if time.Since(f.warned) < warnEvery {
		return
	}
	w.deps.Log.Warn().Str(telemetry.FieldSupplier, imp.Supplier).Str(telemetry.FieldDataset, imp.Dataset).Stringer(telemetry.FieldImport, imp.ID).
		Int64(telemetry.FieldRows, f.rows).Msg("resources took the place of another supplier's; stoker status shows how many of each import")
	f.rows, f.warned = 0, time.Now()
}
