package bucket

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// Config says how often to look.
type Config struct {
	Sweep time.Duration // from the end of a sweep to the next one
	Log   zerolog.Logger
}

// Imports is what deliveries are handed to.
type Imports interface {
	Suppliers(ctx context.Context) ([]ledger.Supplier, error)
	// States are those of the imports that were accepted.
	States(ctx context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]ledger.State, error)
	// OpenImports is how many imports of a supplier are under way.
	OpenImports(ctx context.Context, supplier string) (int, error)
	// Failures are when those that failed did, without those that were discarded since.
	Failures(ctx context.Context, ids []fhirmsg.ImportID) (map[fhirmsg.ImportID]time.Time, error)
	// Request accepts an import, so that it has its place in the order of all, and asks for it. The same request
	// again changes nothing.
	Request(ctx context.Context, req fhirmsg.ImportRequest, at ledger.Place) error
}

// Store is where objects lie, as a supplier's account may read them.
type Store interface {
	// Find returns an object. Errors: [fs.ErrNotExist].
	Find(ctx context.Context, s ledger.Supplier, at s3.Location) (s3.Object, error)
	// List lists what begins with a key, page by page.
	List(ctx context.Context, s ledger.Supplier, at s3.Location, each func([]s3.Object) error) error
}

// Notices hands over messages of events until the context ends.
type Notices func(ctx context.Context, handle func(ctx context.Context, message []byte)) error

// Run looks after all suppliers' buckets until the context ends. What fails is tried again at the next sweep; errors
// are those of notices.
func Run(ctx context.Context, cfg Config, imports Imports, store Store, notices Notices) error {
	r := newRoom(cfg, imports, store)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return notices(ctx, r.notice) })
	group.Go(func() error { r.sweeps(ctx); return nil })
	group.Go(func() error { r.handOver(ctx); return nil })
	return group.Wait()
}

// room is what is known of all buckets.
type room struct {
	cfg     Config
	imports Imports
	store   Store
	found   chan struct{} // something waits that did not
	now     func() time.Time

	mu        sync.Mutex
	waiting   map[string]*queue // by supplier
	requested map[fhirmsg.ImportID]bool
	said      map[string]string // what went wrong last, by what it is about
	ignored   ignored
}

// ignored counts events that led to nothing, since that was last said.
type ignored struct{ outside, unreadable int }

func newRoom(cfg Config, imports Imports, store Store) *room {
	return &room{
		cfg: cfg, imports: imports, store: store, found: make(chan struct{}, 1), now: time.Now,
		waiting: map[string]*queue{}, requested: map[fhirmsg.ImportID]bool{}, said: map[string]string{},
	}
}

// watched is a supplier with what is its own.
type watched struct {
	ledger.Supplier
	at s3.Location
}

// watched are the suppliers that have a bucket.
func (r *room) watched(ctx context.Context) (all []watched, err error) {
	suppliers, err := r.imports.Suppliers(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range suppliers {
		if s.Bucket == "" || s.Removed != nil {
			continue
		}
		at, err := s3.ParsePrefix(s.Bucket)
		r.say(s.Name+", bucket", err) // it was checked when it was declared
		if err == nil {
			all = append(all, watched{s, at})
		}
	}
	return all, nil
}

// say logs what is wrong once, and nothing while it stays the same. Keys of objects may say who a patient is
// (invariant 8), so they are in no error that comes here.
func (r *room) say(about string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.said, about)
		return
	}
	if r.said[about] == err.Error() || errors.Is(err, context.Canceled) {
		return
	}
	r.said[about] = err.Error()
	r.cfg.Log.Warn().Err(err).Str("in", about).Msg("buckets")
}

// isGone reports whether an object is not there any more, which is nobody's fault.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
