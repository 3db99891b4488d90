package fetcher

import (
	"context"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// dropped is what becomes of deliveries in the drop folder.
type dropped struct {
	*ledger.Ledger
	bus *bus.Bus
}

// Request implements drop.Imports.
func (d dropped) Request(ctx context.Context, req fhirmsg.ImportRequest) error {
	if err := req.CheckOpen(); err != nil { // the rest is the supplier's policy to say
		return err
	}
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	return d.bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg)
}
