package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/bucket"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/delivery"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/drop"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// grace is how long the chunks in hand may go on after the first signal.
const grace = 20 * time.Second

// rules is the version of the parser's rules that imports are pinned to; 2 validates, 3 scopes keys,
// 4 takes resources as incomplete where a chunk says so, 5 orders the entries of a history by what they say, 6 makes larger batches.
const rules = 6

// Deps is what the service works with. They stay the caller's to close.
type Deps struct {
	Bus     *bus.Bus
	Pool    *pgxpool.Pool
	Log     zerolog.Logger
	Metrics *telemetry.Metrics
}

// Run serves until the context ends, and returns after the chunks in hand are published.
func Run(ctx context.Context, cfg Config, d Deps) error {
	roots := cfg.Roots
	if cfg.Drop != "" {
		roots = append(slices.Clone(roots), cfg.Drop)
	}
	l := ledger.New(d.Pool)
	f := &fetcher{
		cfg: cfg, deps: d, ledger: l, journal: journal.Journal{Bus: d.Bus, Ledger: l}, stopping: ctx.Done(), seats: &seats{each: cfg.Imports},
		source: source.Config{Roots: roots, SpoolDir: cfg.SpoolDir, HTTP: cfg.HTTP, Delivered: func(ctx context.Context, delivered fhirmsg.Delivered) io.ReadCloser {
			return delivery.Open(ctx, d.Bus, delivered)
		}},
	}
	if err := lifecycle.Retry(ctx, d.Log, "migrate the database", func(ctx context.Context) error {
		return ledger.Migrate(ctx, d.Pool)
	}); err != nil {
		return err
	}
	if err := lifecycle.Retry(ctx, d.Log, "set up JetStream", func(ctx context.Context) error {
		return d.Bus.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), bus.Limits{fhirmsg.StreamDeliver: cfg.Deliver.StreamBytes})
	}); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// Each has fetchers of its own, so that what suppliers ask for themselves is in nobody's way.
	for stream, consumer := range map[string]string{fhirmsg.StreamOperator: fhirmsg.ConsumerOperator, fhirmsg.StreamFetch: fhirmsg.ConsumerFetcher} {
		group.Go(func() error {
			d.Bus.Consume(ctx, bus.ConsumeOptions{
				Stream: stream, Consumer: consumer, Workers: cfg.All, Grace: grace,
				OnRetry: func(error) { d.Metrics.Retry() },
			}, f.handle)
			return nil
		})
	}
	requests := requests{f.ledger, d.Bus}
	gatherer := delivery.Gatherer{Config: cfg.Deliver, Bus: d.Bus, Ledger: f.ledger, Log: d.Log, Request: requests.Request}
	group.Go(func() error { return gatherer.Run(ctx) })
	group.Go(func() error {
		f.sweepExports(ctx)
		return nil
	})
	group.Go(func() error {
		b := bucketed{f}
		return bucket.Run(ctx, bucket.Config{Sweep: cfg.BucketSweep, Log: d.Log}, b, b, b.notices)
	})
	if cfg.Drop != "" {
		group.Go(func() error {
			return drop.Run(ctx, drop.Config{Dir: cfg.Drop, Settle: cfg.DropSettle, Log: d.Log}, requests)
		})
	}
	return group.Wait()
}

type fetcher struct {
	cfg      Config
	deps     Deps
	ledger   *ledger.Ledger
	journal  journal.Journal
	source   source.Config
	seats    *seats
	stopping <-chan struct{} // closed at the first signal: finish the chunk in hand
}

// maxImportsDelay is how long an import waits before it looks again whether an earlier one of its
// supplier has ended.
const maxImportsDelay = 2 * time.Second

// seatDelay is the same where its supplier has as many imports in this process as it may.
const seatDelay = time.Second

// Why an import is left before its end.
var (
	errStopping = errors.New("the process is stopping")    // another fetcher goes on
	errHalted   = errors.New("the import is not to go on") // paused or cancelled
)

// handle fetches one import, from wherever an earlier attempt left it.
func (f *fetcher) handle(ctx context.Context, messages []bus.Message) error {
	for _, msg := range messages {
		supplier, isOperators := fhirmsg.FetchSupplier(msg.Subject)
		if err := fhirmsg.CheckName(supplier); err != nil {
			return bus.Permanent(fmt.Errorf("import request on the subject %s: %w", msg.Subject, err))
		}
		req, err := fhirmsg.DecodeImportRequestOf(supplier, msg.Data)
		if err != nil {
			return bus.Permanent(err)
		}
		refusal, err := f.refusal(ctx, &req, supplier, isOperators)
		if err != nil {
			return err
		}
		if refusal != "" {
			err = f.refuse(ctx, req, refusal)
		} else {
			err = f.fetch(ctx, req)
		}
		if errors.Is(err, ledger.ErrOthers) || errors.Is(err, ledger.ErrUnstorable) {
			return bus.Permanent(err)
		}
		if err != nil && !errors.Is(err, errHalted) {
			return err
		}
	}
	return nil
}

func (f *fetcher) fetch(ctx context.Context, req fhirmsg.ImportRequest) error {
	imp, _, err := Accept(ctx, f.journal, req)
	if err != nil {
		return err
	}
	// After it was accepted: imports are in the order in which that is.
	leave, ok := f.seats.take(imp.Supplier)
	if !ok {
		return bus.Later("other imports of its supplier come first", seatDelay)
	}
	defer leave()
	// An import that was refused, paused or cancelled, or is being stored already, is not fetched.
	state, err := f.ledger.BeginFetch(ctx, imp.ID)
	if errors.Is(err, ledger.ErrMaxImports) {
		const what = "earlier imports of its supplier have to end first: there are as many under way as its policy allows"
		if err := f.ledger.SetWaiting(ctx, imp.ID, ledger.Waiting{For: what, Since: time.Now()}); err != nil {
			return err
		}
		return bus.Later(what, maxImportsDelay)
	}
	if err != nil || state != ledger.StateFetching {
		return err
	}
	policy, err := f.ledger.Policy(ctx, imp.ID)
	if err != nil {
		return err
	}
	if f, err = f.under(imp.Supplier, policy).withTokens(ctx, imp.Supplier, imp.ID); err != nil {
		return err
	}
	f.source.Renewals = new(source.Renewals)
	f.source.Again = (&asking{ledger: f.ledger, log: f.deps.Log, id: imp.ID, now: f.now}).again
	files, err := f.files(ctx, imp)
	if err != nil {
		return err
	}
	if err := f.publishList(ctx, imp, files); err != nil {
		return err
	}
	if err := f.ledger.SetWaiting(ctx, imp.ID, ledger.Waiting{Since: time.Now()}); err != nil { // for its turn, a server, its files
		return err
	}
	a, err := f.newAllowance(ctx, imp, policy, files)
	if err != nil {
		return err
	}
	if err := f.fetchFiles(ctx, imp, files, a); err != nil {
		return err
	}
	if err := f.ledger.CloseList(ctx, imp.ID); err != nil {
		return err
	}
	if err := f.removeExports(ctx, imp.ID); err != nil {
		return err
	}
	return f.journal.Import(ctx, imp.ID) // before the request is acknowledged
}

// files are those of an import, which are found and pinned by whoever asks first.
func (f *fetcher) files(ctx context.Context, imp fhirmsg.Import) ([]ledger.File, error) {
	files, pinned, err := f.ledger.Files(ctx, imp.ID)
	if err != nil || pinned {
		return files, err
	}
	asked, err := f.ledger.Asked(ctx, imp.ID) // as it was accepted, whatever is asked for under its id later
	if err != nil {
		return nil, err
	}
	exports, err := f.awaitExports(ctx, imp, asked.Sources)
	if err != nil {
		return nil, err
	}
	lister := *f
	lister.source.Whole, lister.source.Types = imp.Snapshot, asked.SnapshotTypes
	if err := lister.pin(ctx, imp, asked.Sources, exports); err != nil {
		return nil, err
	}
	files, _, err = f.ledger.Files(ctx, imp.ID)
	return files, err
}

// under is a fetcher for one import that asks for nothing but what a supplier's policy allows. One that was not
// declared has none: it is the operator, who may ask for anything.
func (f *fetcher) under(name string, policy *supplier.Policy) *fetcher {
	g := *f
	g.source.Account = func() (s3.Account, error) { return f.cfg.S3.Account(name) }
	if policy != nil {
		g.source.Policy = &outbound.Policy{Prefixes: policy.URLPrefixes, InternalHosts: policy.InternalHosts}
		g.source.Bucket = policy.Bucket
	}
	return &g
}

// publishList keeps the list of files in the journal, for a restore of the database.
func (f *fetcher) publishList(ctx context.Context, imp fhirmsg.Import, files []ledger.File) error {
	skipped, err := f.ledger.Skipped(ctx, imp.ID)
	if err != nil {
		return err
	}
	return f.journal.Files(ctx, imp, files, skipped)
}

// halted returns why fetching must not go on, or nil.
func (f *fetcher) halted(state ledger.State) error {
	if state != ledger.StateFetching {
		return errHalted
	}
	select {
	case <-f.stopping:
		return errStopping
	default:
		return nil
	}
}
