package fetcher

import (
	"context"
	"errors"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// under is the fetcher that asks for no URLs but those that a supplier's policy allows, with tokens of the supplier's server
// where it gives any. A supplier that was not declared has no policy: it is the operator, who may ask for any.
func (f *fetcher) under(ctx context.Context, name string, policy *supplier.Policy) (*fetcher, error) {
	if policy == nil {
		return f, nil
	}
	g := *f
	g.source.Policy = &outbound.Policy{Prefixes: policy.URLPrefixes, InternalHosts: policy.InternalHosts}
	// How it proves itself is not pinned with the import: keys are replaced while imports wait.
	declared, err := f.ledger.Supplier(ctx, name)
	switch {
	case errors.Is(err, ledger.ErrNoSupplier), err == nil && declared.FetchOAuth == nil:
		return &g, nil
	case err != nil:
		return nil, err
	}
	tokens := smart.NewTokens(smart.Tokens{HTTP: f.cfg.HTTP, Policy: g.source.Policy, Supplier: declared.Supplier, Key: f.cfg.OAuthKey})
	g.source.Credentials = tokens.Credentials()
	return &g, nil
}
