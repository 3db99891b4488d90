package parser

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/parser/internal/convert"
)

// grace is how long the chunks in hand may go on after the first signal.
const grace = 20 * time.Second

// publishers is how many messages of one chunk are published at once.
const publishers = 8

// Deps is what the service works with. They stay the caller's to close.
type Deps struct {
	Bus     *bus.Bus
	Log     zerolog.Logger
	Metrics *telemetry.Metrics
}

// Run serves until the context ends, and returns after the chunks in hand are finished.
func Run(ctx context.Context, cfg Config, d Deps) error {
	err := lifecycle.Retry(ctx, d.Log, "set up JetStream", func(ctx context.Context) error {
		return d.Bus.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil)
	})
	if err != nil {
		return err
	}
	p := &parser{
		deps: d, converters: make(chan *converter, cfg.workers()),
		quota: newQuota(cfg.TypeShare, d.Bus), held: newHeld(), unsupported: unsupported{log: d.Log},
	}
	for range cfg.workers() {
		p.converters <- &converter{parser: convert.New(convert.Options{})}
	}
	d.Bus.ConsumeChunks(ctx, bus.ConsumeOptions{
		Workers: cfg.workers(), Grace: grace,
		OnRetry: func(error) { d.Metrics.Retry() },
	}, p.handle)
	return nil
}

type parser struct {
	deps       Deps
	converters chan *converter // those that are free
	quota      *quota
	held       *held
	messages   sync.Pool // of *[]byte: buffers of batches that are published

	unsupported unsupported
}

// converter has the buffers of one worker.
type converter struct {
	parser *convert.Parser
	body   []byte // of the chunk in hand
}

// handle parses one chunk and publishes what it holds.
func (p *parser) handle(ctx context.Context, messages []bus.Message) error {
	c := <-p.converters
	defer func() { p.converters <- c }()
	for _, msg := range messages {
		start := time.Now()
		waits := p.held.types(msg)
		full, err := p.full(ctx, waits)
		if err != nil {
			return err
		}
		if full {
			return later(msg)
		}
		chunk, err := fhirmsg.DecodeChunk(msg.Data, c.body)
		if err != nil {
			return bus.Permanent(err)
		}
		c.body = keep(chunk.Body)
		out, err := c.parser.Convert(chunk)
		if errors.Is(err, convert.ErrUnsupported) {
			return p.unsupported.handBack(chunk.Import, msg, err)
		}
		if err != nil {
			return bus.Permanent(err)
		}
		if waits != nil {
			keepTypes(&out, waits) // the others were published when it came first
		}
		kept, err := p.keepBack(ctx, &out)
		if err != nil {
			return err
		}
		if err := p.publish(ctx, out); err != nil {
			return err
		}
		if len(kept) > 0 {
			p.held.add(msg, kept)
			return later(msg)
		}
		if err := p.state(ctx, out.Statement); err != nil {
			return err
		}
		p.held.remove(msg)
		p.measure(out.Statement, time.Since(start))
	}
	return nil
}

// maxKept is the largest buffer kept for the next chunk, so that one long line does not
// hold its memory for ever.
const maxKept = 4 << 20

func keep(buf []byte) []byte {
	if cap(buf) > maxKept {
		return nil
	}
	return buf
}

// publish stores batches and rejects.
func (p *parser) publish(ctx context.Context, out convert.Output) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(publishers)
	for _, b := range out.Batches {
		buf, _ := p.messages.Get().(*[]byte)
		if buf == nil {
			buf = new([]byte)
		}
		msg, err := b.Append((*buf)[:0])
		if err != nil {
			return bus.Permanent(err)
		}
		p.quota.published(b.Type, len(msg))
		group.Go(func() error {
			err := p.deps.Bus.Publish(groupCtx, fhirmsg.ResourceSubject(b.Import.Dataset, b.Type), b.MessageID(), msg)
			*buf = keep(msg)
			p.messages.Put(buf)
			return err
		})
	}
	for _, r := range out.Rejects {
		group.Go(func() error {
			msg, id, err := r.Encode()
			if err != nil {
				return bus.Permanent(err)
			}
			return p.deps.Bus.Publish(groupCtx, fhirmsg.RejectSubject(r.Import.Supplier), id, msg)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, b := range out.Batches {
		p.deps.Metrics.Resources(b.Type, "parsed", int64(b.Rows))
	}
	return nil
}

// state publishes the statement about a chunk, after its batches and rejects are stored.
// Invariant 1: only then may the chunk be acknowledged.
func (p *parser) state(ctx context.Context, s fhirmsg.Statement) error {
	msg, err := s.Encode()
	if err != nil {
		return bus.Permanent(err)
	}
	return p.deps.Bus.Publish(ctx, fhirmsg.StatementSubject(s.Import.Supplier), s.MessageID(), msg)
}

func (p *parser) measure(s fhirmsg.Statement, took time.Duration) {
	p.deps.Metrics.Rejects(s.Rejected + s.EntriesRejected)
	p.deps.Metrics.Unit(took, s.Plain+s.Entries, s.Length)
}
