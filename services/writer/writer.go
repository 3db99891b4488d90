package writer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// grace is how long a transaction in hand may go on after the first signal.
const grace = 20 * time.Second

// Deps is what the service works with. They stay the caller's to close.
type Deps struct {
	Bus     *bus.Bus
	Pool    *pgxpool.Pool
	Log     zerolog.Logger
	Metrics *telemetry.Metrics
}

// Run serves until the context ends, and returns after the transactions in hand are finished.
func Run(ctx context.Context, cfg Config, d Deps) error {
	if err := Prepare(ctx, cfg, d); err != nil {
		return err
	}
	w := &writer{
		cfg: cfg, deps: d,
		store:  store.New(d.Pool),
		ledger: ledger.New(d.Pool), journal: journal.Journal{Bus: d.Bus, Ledger: ledger.New(d.Pool)},
		slots: semaphore.NewWeighted(int64(cfg.Transactions)), idle: make(chan struct{}, 1),
	}
	group := new(errgroup.Group)
	for _, resourceType := range fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4) {
		group.Go(func() error { w.consumeType(ctx, resourceType); return nil })
	}
	group.Go(func() error { w.recordRejects(ctx); return nil })
	group.Go(func() error { w.recordStatements(ctx); return nil })
	group.Go(func() error { w.sweep(ctx); return nil })
	group.Go(func() error { w.snapshots(ctx); return nil })
	group.Go(func() error { w.sweepReports(ctx); return nil })
	group.Go(func() error { w.trim(ctx); return nil })
	group.Go(func() error { w.replays(ctx); return nil })
	group.Go(func() error { w.collect(ctx); return nil })
	group.Go(func() error { w.observe(ctx); return nil })
	return group.Wait()
}

// Prepare brings the schema and the topology up to date, waiting for both servers.
func Prepare(ctx context.Context, cfg Config, d Deps) error {
	if err := lifecycle.Retry(ctx, d.Log, "migrate the database", func(ctx context.Context) error {
		return ledger.Migrate(ctx, d.Pool)
	}); err != nil {
		return err
	}
	return lifecycle.Retry(ctx, d.Log, "set up JetStream", func(ctx context.Context) error {
		return d.Bus.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4),
			fhirmsg.Retained(cfg.StreamBytes))
	})
}

type writer struct {
	cfg     Config
	deps    Deps
	store   *store.Store
	ledger  *ledger.Ledger
	journal journal.Journal
	slots   *semaphore.Weighted // transactions at once
	inHand  atomic.Int64        // transactions
	idle    chan struct{}       // has a value after the last of them ended
	bodies  sync.Pool           // of *[]byte: buffers of decoded batches

	foreigners foreigners
}

// consumeType stores the batches of one resource type.
func (w *writer) consumeType(ctx context.Context, resourceType string) {
	w.deps.Bus.Consume(ctx, bus.ConsumeOptions{
		Stream:   fhirmsg.StreamResources,
		Consumer: fhirmsg.WriterConsumer(resourceType),
		Workers:  w.cfg.Transactions,
		Admit:    w.admit,
		More:     w.more,
		Grace:    grace,
		OnRetry:  func(error) { w.deps.Metrics.Retry() },
	}, w.storeBatches)
}

// admit waits for a free transaction. Invariant 6: only who has one gathers more than a message.
func (w *writer) admit(ctx context.Context) (release func(), err error) {
	if err := w.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	w.inHand.Add(1)
	return func() {
		w.slots.Release(1)
		w.inHand.Add(-1)
		w.settleSoon()
	}, nil
}

// maxGathered is the greatest number of messages in one group, which bounds what is in
// memory in compressed form.
const maxGathered = 256

// more says how many batches like the first make a transaction of the size aimed at.
func (w *writer) more(first bus.Message) int {
	header, err := fhirmsg.DecodeBatchHeader(first.Data)
	if err != nil {
		return 0
	}
	n := min(w.cfg.Rows/max(header.Rows, 1), w.cfg.Bytes/max(header.Bytes, 1), maxGathered)
	return n - 1
}

// storeBatches writes batches, in as many transactions as their sizes ask for. Where a dataset is locked, those of others are written
// all the same; then all are handed back, and what was written changes nothing the second time.
func (w *writer) storeBatches(ctx context.Context, messages []bus.Message) error {
	var locked error
	for rest := messages; len(rest) > 0; {
		batches, n, err := w.gather(rest)
		if err != nil {
			return cmp.Or(locked, bus.Permanent(err)) // alone the next time, it takes no batch with it that was not written
		}
		start := time.Now()
		result, err := w.store.Write(ctx, batches)
		w.release(batches)
		if errors.Is(err, fhirmsg.ErrRecord) {
			return cmp.Or(locked, bus.Permanent(err))
		}
		if errors.Is(err, ledger.ErrLocked) {
			locked = later(messages[0])
			rest = rest[n:]
			continue
		}
		if err != nil {
			return err
		}
		w.measure(batches, result, time.Since(start))
		if err := w.keep(ctx, batches, result, sequences(rest[:n])); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return locked
}

// later hands batches back whose dataset somebody has to itself, as for a discard, so that those of other datasets pass. They come again after longer and
// longer, since each time costs a transaction.
func later(msg bus.Message) error {
	const first, longest = 250 * time.Millisecond, 8 * time.Second
	return bus.Later("their dataset is locked", min(first<<min(msg.Delivery, 8), longest))
}

// keep publishes what became of batches in the journal, before their messages are acknowledged.
func (w *writer) keep(ctx context.Context, batches []fhirmsg.Batch, result store.Result, sequences []uint64) error {
	if len(result.Stated) == 0 {
		return nil // of a dataset that was dropped
	}
	return w.journal.Written(ctx, batches[0].Import.Dataset, result.Stated, sequences)
}

func sequences(messages []bus.Message) []uint64 {
	list := make([]uint64, len(messages))
	for i, msg := range messages {
		list[i] = msg.Sequence
	}
	return list
}

// gather decodes batches of one dataset, up to the size of one transaction.
func (w *writer) gather(messages []bus.Message) (batches []fhirmsg.Batch, n int, err error) {
	rows, bytes := 0, 0
	for _, msg := range messages {
		b, err := fhirmsg.DecodeBatch(msg.Data, w.buffer())
		if err != nil {
			return nil, 0, err
		}
		if msg.Subject != fhirmsg.ResourceSubject(b.Import.Dataset, b.Type) {
			return nil, 0, fmt.Errorf("a batch of %s for dataset %s on subject %s", b.Type, b.Import.Dataset, msg.Subject)
		}
		full := rows+b.Rows > w.cfg.Rows || bytes+b.Bytes > w.cfg.Bytes
		if n > 0 && (full || b.Import.Dataset != batches[0].Import.Dataset) {
			break
		}
		batches, n = append(batches, b), n+1
		rows, bytes = rows+b.Rows, bytes+b.Bytes
	}
	return batches, n, nil
}

// buffer returns a buffer to decode a batch into.
func (w *writer) buffer() []byte {
	if buf, ok := w.bodies.Get().(*[]byte); ok {
		return *buf
	}
	return nil
}

// maxKept is the largest buffer that is kept.
const maxKept = 4 << 20

// release gives back the buffers of batches that are stored, or will be decoded again.
func (w *writer) release(batches []fhirmsg.Batch) {
	for _, b := range batches {
		if cap(b.Body) <= maxKept {
			w.bodies.Put(&b.Body)
		}
	}
}

func (w *writer) measure(batches []fhirmsg.Batch, result store.Result, took time.Duration) {
	m, c, typ := w.deps.Metrics, result.Counts, batches[0].Type
	for outcome, n := range map[ledger.Outcome]int64{
		ledger.Inserted: c.Inserted, ledger.Updated: c.Updated, ledger.Unchanged: c.Unchanged, ledger.Stale: c.Stale,
		ledger.Deleted: c.Deleted, ledger.Skipped: c.Skipped, ledger.Rejected: c.Rejected, ledger.Discarded: c.Discarded, ledger.Cancelled: c.Cancelled,
	} {
		m.Resources(typ, outcome.String(), n)
	}
	m.Rejects(c.Rejected)
	w.foreign(batches[0].Import, c.Foreign)
	for range result.Retries {
		m.Retry()
	}
	var rows, bytes int64
	for _, b := range batches {
		rows, bytes = rows+int64(b.Rows), bytes+int64(b.Bytes)
	}
	m.Unit(took, rows, bytes)
}
