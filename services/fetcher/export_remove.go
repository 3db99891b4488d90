package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/export"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

const (
	sweepEvery     = 5 * time.Second
	sweepAtOnce    = 20
	removeAgain    = 3 * time.Minute // after a removal that did not succeed; longer than one takes
	removeAttempts = 8               // until an export is left to its server, which removes it some day
)

// sweepExports removes exports whose imports do not need them any more, and whose fetcher did not: of imports that were
// cancelled, or ended as their fetcher did.
func (f *fetcher) sweepExports(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := errors.Join(f.removeExports(ctx, fhirmsg.ImportID{}), f.ledger.DropPages(ctx))
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		if failures++; failures == 3 {
			f.deps.Log.Warn().Err(err).Msg("cannot look for exports and pages of pulls to remove, trying again")
		}
	}
}

// removeExports removes the exports of an import that is over, or, for no import, those of any that are due. Errors are
// those of the ledger; a server that does not answer is asked again by the sweep.
func (f *fetcher) removeExports(ctx context.Context, id fhirmsg.ImportID) error {
	now := f.now()
	list, err := f.ledger.ClaimOverExports(ctx, id, now, now.Add(removeAgain), sweepAtOnce)
	if err != nil {
		return err
	}
	for _, e := range list {
		if err := f.removeExport(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetcher) removeExport(ctx context.Context, e ledger.Export) error {
	job, err := jobOf(e)
	if err != nil { // nothing that can be removed, and others wait behind it
		f.deps.Log.Warn().Err(err).Stringer(telemetry.FieldImport, e.Import).Msg("an export cannot be removed")
		return f.ledger.RemovedExport(ctx, e, f.now())
	}
	req, err := f.ledger.Asked(ctx, e.Import)
	if err != nil {
		return err
	}
	policy, err := f.ledger.Policy(ctx, e.Import)
	if err != nil {
		return err
	}
	if int(e.Source) >= len(req.Sources) || req.Sources[e.Source].Export == nil {
		return f.ledger.RemovedExport(ctx, e, f.now()) // the request was lost with the database
	}
	g, err := f.under(req.Supplier, policy).withTokens(ctx, req.Supplier, e.Import)
	if err != nil {
		return err
	}
	site, err := source.NewSite(req.Sources[e.Source], g.source)
	if err != nil {
		return f.ledger.RemovedExport(ctx, e, f.now())
	}
	defer site.Close()
	done, err := export.Client{Site: site, Now: f.now}.Remove(ctx, job)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && (done || e.Attempts >= removeAttempts) {
		done = true
		f.deps.Log.Warn().Stringer("import", e.Import).Err(err).Msg("an export could not be removed from its server and is left there")
	}
	if !done {
		return nil // it is tried again when the claim is over
	}
	return f.ledger.RemovedExport(ctx, e, f.now())
}
