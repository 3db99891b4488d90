package fetcher

import (
	"bytes"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// flushEvery is the longest time between chunks being acknowledged and being stated.
const flushEvery = 250 * time.Millisecond

// lastFlush is how long the last chunks that were acknowledged may take to be stated; if they are not,
// they are published again.
const lastFlush = 10 * time.Second

// mostAtOnce is how many chunks are published at once, however small they are.
const mostAtOnce = 64

// publisher publishes the chunks of one file, several at once, and states those that JetStream
// has acknowledged.
type publisher struct {
	f      *fetcher
	imp    fhirmsg.Import
	file   ledger.File // with its reading state
	credit *credit
	group  *errgroup.Group
	ctx    context.Context //nolint:containedctx // the group's: it ends when a publication fails

	window *semaphore.Weighted // bytes of chunks published at once (invariant 6)
	size   int64               // of the window

	mu    sync.Mutex
	acked []ledger.Fetched

	// Of the goroutine that publishes:
	buf      []byte // for encoding
	unstated int64  // of the credit, for what was published and are not in the ledger yet
	flushed  time.Time
}

func newPublisher(ctx context.Context, f *fetcher, imp fhirmsg.Import, file ledger.File, c *credit) *publisher {
	group, ctx := errgroup.WithContext(ctx)
	size := int64(f.cfg.Window) * int64(imp.ChunkSize)
	return &publisher{
		f: f, imp: imp, file: file, credit: c, group: group, ctx: ctx,
		window: semaphore.NewWeighted(size), size: size, flushed: time.Now(),
	}
}

// publish sends a chunk, when there is room in the window and the supplier has credit: a full
// queue and a supplier's backlog slow the reading down (invariants 4 and 6). read is how far
// the file was read. An import that is paused or cancelled while it waits is left with
// errHalted. Errors of a publication come with flush and finish.
func (p *publisher) publish(ctx context.Context, chunk fhirmsg.Chunk, read int64) error {
	weight := min(max(int64(len(chunk.Body)), p.size/mostAtOnce), p.size)
	if err := p.waitForRoom(ctx, weight, read); err != nil {
		return err
	}
	stated := ledger.Fetched{Offset: chunk.Offset, Length: chunk.Length, Lines: chunk.Lines}
	if err := p.waitForCredit(ctx, stated.Weight(), read); err != nil {
		p.window.Release(weight)
		return err
	}
	var id string
	var err error
	if p.buf, id, err = chunk.Append(p.buf[:0]); err != nil {
		p.window.Release(weight)
		return err
	}
	msg := bytes.Clone(p.buf)
	if len(p.buf) > 2*p.imp.ChunkSize {
		p.buf = nil // of one long line: not to be held for ever
	}
	p.unstated += stated.Weight()
	p.group.Go(func() error {
		defer p.window.Release(weight)
		start := time.Now()
		if err := p.f.deps.Bus.Publish(p.ctx, fhirmsg.ChunkSubject(p.imp.Supplier), id, msg); err != nil {
			return err
		}
		p.f.deps.Metrics.Unit(time.Since(start), stated.Lines, stated.Length)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.acked = append(p.acked, stated)
		return nil
	})
	return p.ctx.Err()
}

// waitForRoom waits for room in the window.
func (p *publisher) waitForRoom(ctx context.Context, weight, read int64) error {
	if p.window.TryAcquire(weight) {
		return nil
	}
	p.credit.begin()
	for {
		wait, cancel := context.WithTimeout(p.ctx, flushEvery)
		err := p.window.Acquire(wait, weight)
		cancel()
		if err == nil {
			return p.credit.goesOn(ctx)
		}
		if err := p.meanwhile(ctx, read, "the queue "+fhirmsg.StreamChunks+" takes no more"); err != nil {
			return err
		}
	}
}

// waitForCredit waits until the supplier may have so many bytes more on their way.
func (p *publisher) waitForCredit(ctx context.Context, bytes, read int64) error {
	if p.credit.spend(bytes) {
		return nil
	}
	p.credit.begin()
	for {
		if err := p.credit.wait(p.ctx); err != nil {
			return err
		}
		if err := p.meanwhile(ctx, read, p.credit.used()); err != nil {
			return err
		}
		if err := p.credit.look(ctx, bytes, p.unstated); err != nil {
			return err
		}
		if p.credit.spend(bytes) {
			return p.credit.goesOn(ctx)
		}
	}
}

// meanwhile is what is done while waiting: what was acknowledged is stated, and the import is
// left if it is not to go on.
func (p *publisher) meanwhile(ctx context.Context, read int64, what string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	state, err := p.flush(ctx, read, true)
	if err != nil {
		return err
	}
	if err := p.f.halted(state); err != nil {
		return err
	}
	return p.credit.stalled(ctx, what)
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
	if err := p.keep(ctx, read, acked); err != nil {
		return "", err
	}
	state, err := p.f.ledger.RecordFetched(ctx, p.imp.ID, p.file.Index, read, acked)
	if err != nil {
		return state, err
	}
	for _, f := range acked {
		p.unstated -= f.Weight()
	}
	return state, nil
}

// keep publishes in the journal what is about to be stated: once the ledger has it, it is not
// said again.
func (p *publisher) keep(ctx context.Context, read int64, acked []ledger.Fetched) error {
	if len(acked) == 0 {
		return nil
	}
	s := fhirmsg.FileStatement{File: p.file.Index, State: "open", Reading: p.file.Reading, Size: p.file.Size, Read: read}
	for _, c := range acked {
		s.Chunks = append(s.Chunks, fhirmsg.FetchedChunk{Offset: c.Offset, Length: c.Length, Lines: c.Lines})
	}
	return p.f.journal.File(ctx, p.imp, s)
}

// finish waits for the chunks that are under way and states them.
func (p *publisher) finish(ctx context.Context, read int64) (ledger.State, error) {
	publishErr := p.group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	state, err := p.flush(last, read, true)
	if publishErr != nil {
		return state, publishErr
	}
	return state, err
}
