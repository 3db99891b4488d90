package writer

import (
	"context"
	"time"
)

// collectEvery is how often it is looked whether large payloads can go.
const collectEvery = 10 * time.Second

// collect removes large payloads that no message names any more.
func (w *writer) collect(ctx context.Context) {
	collector := w.deps.Bus.NewCollector()
	ticker := time.NewTicker(collectEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := collector.Collect(ctx); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot remove large payloads, trying again")
		}
	}
}
