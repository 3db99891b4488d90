package fetcher

import (
	"context"
	"fmt"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/bucket"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// bucketed is what becomes of deliveries in buckets, and where they lie. It implements bucket.Imports
// and bucket.Store.
type bucketed struct{ *fetcher }

// Suppliers implements bucket.Imports, as the next three do.
func (b bucketed) Suppliers(ctx context.Context) ([]ledger.Supplier, error) {
	return b.ledger.Suppliers(ctx)
}

// States are those of the imports that were accepted.
func (b bucketed) States(ctx context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]ledger.State, error) {
	return b.ledger.States(ctx, ids)
}

// OpenImports is how many imports of a supplier are under way.
func (b bucketed) OpenImports(ctx context.Context, name string) (int, error) {
	return b.ledger.OpenImports(ctx, name)
}

// Failures implements bucket.Imports.
func (b bucketed) Failures(ctx context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]time.Time, error) {
	return b.ledger.Failures(ctx, ids)
}

// Request implements bucket.Imports. What it leaves open, the supplier's policy fills in. An import
// that was refused or has begun is not asked for.
func (b bucketed) Request(ctx context.Context, req fhirmsg.ImportRequest, at ledger.Place) error {
	_, state, err := acceptAt(ctx, b.journal, req, at)
	if err == nil && at.Attempt > 1 {
		err = b.ledger.Note(ctx, req.ID, attemptNote(at))
	}
	if err != nil || state != ledger.StateAccepted {
		return err
	}
	return requests{b.ledger, b.deps.Bus}.Request(ctx, req)
}

// attemptNote tells which attempt an import is, and whether there will be another one.
func attemptNote(at ledger.Place) string {
	note := fmt.Sprintf("attempt %d of %d at an object; the first was import %s", at.Attempt, bucket.MaxAttempts, at.First)
	if at.Attempt == bucket.MaxAttempts {
		note += ". If it fails, the object is not asked for again: have it put there anew, or import it by hand"
	}
	return note
}

// Find implements bucket.Store.
func (b bucketed) Find(ctx context.Context, s ledger.Supplier, at s3.Location) (s3.Object, error) {
	return source.FindObject(ctx, b.under(s.Name, &s.Policy).source, at)
}

// List implements bucket.Store.
func (b bucketed) List(ctx context.Context, s ledger.Supplier, at s3.Location, each func([]s3.Object) error) error {
	return source.Objects(ctx, b.under(s.Name, &s.Policy).source, at, s3.MaxKeys, each)
}

// notices are what object stores publish.
func (b bucketed) notices(ctx context.Context, handle func(context.Context, []byte)) error {
	return b.deps.Bus.Notices(ctx, fhirmsg.SubjectBucket, fhirmsg.ConsumerFetcher, handle)
}
