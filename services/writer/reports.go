package writer

import (
	"context"
	"time"

	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

// sweepReportsEvery is how often it is looked for what is kept no longer. Reports are kept for days.
const sweepReportsEvery = time.Minute

// sweepReports removes the reports that suppliers' policies keep no longer, and what is kept of snapshots that nobody
// decides any more, also those of while no writer ran.
func (w *writer) sweepReports(ctx context.Context) {
	ticker := time.NewTicker(sweepReportsEvery)
	defer ticker.Stop()
	for {
		removed, err := w.ledger.SweepReports(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			w.deps.Log.Warn().Err(err).Msg("cannot remove reports that are kept no longer, trying again")
		case removed > 0:
			w.deps.Log.Info().Int64(telemetry.FieldRows, removed).Msg("removed reports of imports whose suppliers' policies keep them no longer")
		}
		if err := w.ledger.SweepMentioned(ctx); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot remove what is kept of snapshots no longer, trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
