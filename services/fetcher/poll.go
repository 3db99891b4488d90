package fetcher

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// Poll asks the source of a sync of kind publish what it has that was not imported yet, under the policy of its
// supplier. What is known of it is the sync's cursor. Errors hold no credentials and are for people.
func (c Config) Poll(ctx context.Context, a ledger.SyncAsk) (ledger.SyncFound, error) {
	from, err := a.Source()
	if err != nil {
		return ledger.SyncFound{}, err
	}
	var known *source.Known
	if a.Cursor != nil {
		known = new(source.Known)
		if err := json.Unmarshal(a.Cursor, known); err != nil {
			known = nil // of another version: all is asked for
		}
	}
	f := &fetcher{cfg: c, source: source.Config{HTTP: c.HTTP}}
	if a.Declared != nil {
		f = f.under(a.Declared.Name, &a.Declared.Policy).withTokensOf(*a.Declared, nil)
	}
	found, err := source.Poll(ctx, from, f.source, known)
	if err != nil || found.Known == nil {
		return ledger.SyncFound{Sources: found.Sources}, err
	}
	cursor, err := json.Marshal(found.Known)
	if err != nil {
		return ledger.SyncFound{}, fmt.Errorf("what is known of the manifest: %w", err)
	}
	return ledger.SyncFound{Sources: found.Sources, Cursor: cursor}, nil
}
