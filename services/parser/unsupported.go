package parser

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

const (
	// unsupportedDelay is the longest until a chunk comes again that this parser cannot take: another one may run that can.
	unsupportedDelay = 5 * time.Second
	// warnEvery is the least time between two warnings.
	warnEvery = time.Minute
)

// unsupported hands back the chunks whose imports pin what this parser does not have, so that others pass.
// Invariant 9: they wait for a parser of the right version.
type unsupported struct {
	log zerolog.Logger

	mu     sync.Mutex
	warned time.Time
}

func (u *unsupported) handBack(imp fhirmsg.Import, msg bus.Message, why error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.warned) >= warnEvery {
		u.warned = time.Now()
		u.log.Warn().Err(why).Str(telemetry.FieldSupplier, imp.Supplier).Stringer(telemetry.FieldImport, imp.ID).
			Msg("chunks wait for a parser of another version")
	}
	return bus.Later(why.Error(), min(delay(msg.Delivery), unsupportedDelay))
}
