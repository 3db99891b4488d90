package writer

import (
	"context"
	"errors"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// observeEvery is how often the gauges are brought up to date.
const observeEvery = 5 * time.Second

// observe shows in metrics what waits in the queues, what is not accounted for yet, and how far syncs are behind.
func (w *writer) observe(ctx context.Context) {
	ticker := time.NewTicker(observeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := w.observeOnce(ctx); err != nil && ctx.Err() == nil {
			w.deps.Log.Warn().Err(err).Msg("cannot bring the gauges up to date")
		}
	}
}

func (w *writer) observeOnce(ctx context.Context) error {
	var problems []error
	for _, stream := range []string{fhirmsg.StreamFetch, fhirmsg.StreamOperator, fhirmsg.StreamChunks, fhirmsg.StreamResources} {
		backlog, err := w.deps.Bus.Backlog(ctx, stream)
		problems = append(problems, err)
		for subject, n := range backlog {
			w.deps.Metrics.Backlog(subject, n)
		}
	}
	missing, err := w.ledger.Missing(ctx)
	if err == nil {
		w.deps.Metrics.Missing(missing)
	}
	lags, lagErr := w.ledger.SyncLags(ctx, time.Now())
	if lagErr == nil {
		w.deps.Metrics.SyncLags(lags)
	}
	return errors.Join(append(problems, err, lagErr)...)
}
