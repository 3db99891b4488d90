package fetcher

import (
	"bytes"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// flushEvery is the longest time between chunks being acknowledged and being stated.
const flushEvery = 250 * time.Millisecond

// publisher publishes the chunks of one file, several at once, and states those that JetStream
// has acknowledged.
type publisher struct {
	f     *fetcher
	imp   fhirmsg.Import
	file  int32
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // the group's: it ends when a publication fails

	mu    sync.Mutex
	acked []ledger.Fetched

	buf     []byte // for encoding, of the goroutine that publishes
	flushed time.Time
}

func newPublisher(ctx context.Context, f *fetcher, imp fhirmsg.Import, file int32) *publisher {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.cfg.Window)
	return &publisher{f: f, imp: imp, file: file, group: group, ctx: ctx, flushed: time.Now()}
}

// publish sends a chunk; it waits while the window is full, which is how a full queue slows
// the reading down (invariant 4). Errors come with flush and finish.
func (p *publisher) publish(chunk fhirmsg.Chunk) error {
	var id string
	var err error
	if p.buf, id, err = chunk.Append(p.buf[:0]); err != nil {
		return err
	}
	msg := bytes.Clone(p.buf)
	p.group.Go(func() error {
		start := time.Now()
		if err := p.f.deps.Bus.Publish(p.ctx, fhirmsg.ChunkSubject(p.imp.Supplier), id, msg); err != nil {
			return err
		}
		p.f.deps.Metrics.Unit(time.Since(start), chunk.Lines, chunk.Length)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.acked = append(p.acked, ledger.Fetched{
			Offset: chunk.Offset, Length: chunk.Length, Lines: chunk.Lines,
		})
		return nil
	})
	return p.ctx.Err()
}

// flush states what was acknowledged, if it is time to, and returns the import's state.
func (p *publisher) flush(ctx context.Context, read int64, force bool) (ledger.State, error) {
	if !force && time.Since(p.flushed) < flushEvery {
		return ledger.StateFetching, nil
	}
	p.flushed = time.Now()
	p.mu.Lock()
	acked := p.acked
	p.acked = nil
	p.mu.Unlock()
	return p.f.ledger.RecordFetched(ctx, p.imp.ID, p.file, read, acked)
}

// finish waits for the chunks that are under way and states them.
func (p *publisher) finish(ctx context.Context, read int64) (ledger.State, error) {
	publishErr := p.group.Wait()
	state, err := p.flush(context.WithoutCancel(ctx), read, true)
	if publishErr != nil {
		return state, publishErr
	}
	return state, err
}
