package fetcher

import (
	"context"
	"errors"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// withTokens is the fetcher that has tokens of a supplier's server, where it gives any, for what is asked under the supplier's
// policy. How it proves itself is not pinned with an import: keys are replaced while imports wait.
// Where they are given is what the import's request says, if it does.
func (f *fetcher) withTokens(ctx context.Context, name string, id fhirmsg.ImportID) (*fetcher, error) {
	if f.source.Policy == nil {
		return f, nil // the operator's own
	}
	declared, err := f.ledger.Supplier(ctx, name)
	switch {
	case errors.Is(err, ledger.ErrNoSupplier):
		return f, nil
	case err != nil:
		return nil, err
	}
	if declared.FetchOAuth == nil {
		return f, nil
	}
	asked, err := f.ledger.Asked(ctx, id)
	if err != nil {
		return nil, err
	}
	var metadata []string
	for _, s := range asked.Sources {
		metadata = append(metadata, s.OAuth...)
	}
	return f.withTokensOf(declared.Supplier, metadata), nil
}

// withTokensOf is withTokens of a supplier that is known, and under whose policy the fetcher is.
func (f *fetcher) withTokensOf(s supplier.Supplier, metadata []string) *fetcher {
	if s.FetchOAuth == nil {
		return f
	}
	tokens := smart.NewTokens(smart.Tokens{HTTP: f.cfg.HTTP, Policy: f.source.Policy, Supplier: s, Metadata: metadata, Key: f.cfg.OAuthKey})
	g := *f
	g.source.Credentials = tokens.Credentials()
	return &g
}
