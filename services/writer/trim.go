package writer

import (
	"context"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// trimEvery is how often the sizes of the streams that are kept are looked at.
const trimEvery = 5 * time.Second

// trim keeps the stream of resources, and those of rejects and statements, below their limits. Invariant 4: it removes only what
// the type's own consumer has acknowledged and no replay is to read, oldest first, from 80 %
// of the limit on and what is older than the limit in time.
func (w *writer) trim(ctx context.Context) {
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := w.deps.Bus.Trim(ctx, fhirmsg.StreamResources, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), w.cfg.StreamAge)
		if err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot trim the stream of resources, trying again")
		}
		for _, stream := range []string{fhirmsg.StreamRejects, fhirmsg.StreamStatements, fhirmsg.StreamJournal} {
			if err := w.deps.Bus.TrimStatements(ctx, stream, w.cfg.StreamAge); err != nil && ctx.Err() == nil {
				w.deps.Log.Warn().Err(err).Msg("cannot trim statements, trying again")
			}
		}
	}
}
