package fetcher

import (
	"context"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Accept makes a request an import, once, as a fetcher does with what it takes from the queue. Who accepts requests
// before they are queued decides on the order of their imports. Errors: ledger.ErrOthers, ledger.ErrUnstorable, and those of the database and the queue.
func Accept(ctx context.Context, j journal.Journal, req fhirmsg.ImportRequest) (imp fhirmsg.Import, state ledger.State, err error) {
	return acceptAt(ctx, j, req, ledger.Place{})
}

// acceptAt is Accept for an import that may have its place behind an earlier one.
func acceptAt(ctx context.Context, j journal.Journal, req fhirmsg.ImportRequest, at ledger.Place) (imp fhirmsg.Import, state ledger.State, err error) {
	definitions, err := fhirdef.Load(fhirmsg.FHIRVersionR4)
	if err != nil {
		return imp, "", err
	}
	// One that was accepted before, and lost with the database, keeps its version.
	if err := j.Accepted(ctx, req.ID); err != nil {
		return imp, "", err
	}
	if imp, state, err = j.Ledger.AcceptBehind(ctx, req, at, rules, definitions.Checksum); err != nil {
		return imp, "", err
	}
	return imp, state, j.Import(ctx, imp.ID)
}
