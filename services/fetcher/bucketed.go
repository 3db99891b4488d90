package fetcher

import (
	"context"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// bucketed is what becomes of deliveries in buckets, and where they lie. It implements bucket.Imports
// and bucket.Store.
type bucketed struct{ *fetcher }

// Suppliers implements bucket.Imports, as the next two do.
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

// Request implements bucket.Imports. What it leaves open, the supplier's policy fills in. An import
// that was refused or has begun is not asked for.
func (b bucketed) Request(ctx context.Context, req fhirmsg.ImportRequest) error {
	_, state, err := Accept(ctx, b.journal, req)
	if err != nil || state != ledger.StateAccepted {
		return err
	}
	return requests{b.ledger, b.deps.Bus}.Request(ctx, req)
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
