package fetcher

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// asking says in the ledger that an import waits for a server that is asked again, where that lasts. Of files that are read at the
// same time, the first that is answered takes it back.
type asking struct {
	ledger *ledger.Ledger
	log    zerolog.Logger
	id     fhirmsg.ImportID
	now    func() time.Time

	mu    sync.Mutex
	since time.Time // of the first wait; zero: nothing is waited for
	told  bool
}

// again is what [source.Config] has such a function for.
func (a *asking) again(ctx context.Context, why error, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case why == nil:
		if a.told {
			a.say(ctx, ledger.Waiting{Since: a.now()})
		}
		a.since, a.told = time.Time{}, false
		return
	case a.since.IsZero():
		a.since = a.now()
	}
	if a.now().Sub(a.since)+wait >= stalledAfter {
		a.told = true
		a.say(ctx, ledger.Waiting{For: "the server is asked again: " + why.Error(), Since: a.since})
	}
}

func (a *asking) say(ctx context.Context, w ledger.Waiting) {
	if err := a.ledger.SetWaiting(ctx, a.id, w); err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Stringer("import", a.id).Msg("what an import waits for cannot be said") // it goes on all the same
	}
}
