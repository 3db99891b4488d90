package writer

import (
	"context"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// How often the sizes of the streams that are kept are looked at: the most, and the least, which is where room was made just now
// in the stream of resources, since others may have waited for it and a small one is full again soon.
const (
	trimEvery = 5 * time.Second
	trimLeast = 200 * time.Millisecond
)

// trim keeps the stream of resources, and those of rejects and statements, below their limits. Invariant 4: it removes only what
// the type's own consumer has acknowledged and no replay is to read, oldest first, from 80 %
// of the limit on and what is older than the limit in time.
func (w *writer) trim(ctx context.Context) {
	pause := trimLeast
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for whole := time.Now(); ; timer.Reset(pause) {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		age := time.Duration(0)
		if time.Since(whole) >= trimEvery {
			whole, age = time.Now(), w.cfg.StreamAge
			w.trimStatements(ctx)
		}
		cut, err := w.deps.Bus.Trim(ctx, fhirmsg.StreamResources, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), age)
		if err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot trim the stream of resources, trying again")
		}
		pause = min(2*pause, trimEvery)
		if cut {
			pause = trimLeast
		}
	}
}

func (w *writer) trimStatements(ctx context.Context) {
	for _, stream := range []string{fhirmsg.StreamRejects, fhirmsg.StreamStatements, fhirmsg.StreamJournal} {
		if err := w.deps.Bus.TrimStatements(ctx, stream, w.cfg.StreamAge); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot trim statements, trying again")
		}
	}
}
