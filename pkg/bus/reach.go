package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// lookFor is how long the server keeps a consumer that only looked, if nobody deletes it, and how long a look is tried again.
const lookFor = 30 * time.Second

var errElsewhere = errors.New("the server that leads the stream takes no consumers")

// look makes a consumer, hands it over, and deletes it. What it says of the stream is what the stream's leader knows: in a cluster a
// consumer is with any of the servers that have the stream, and the others may not have yet what the leader acknowledged, so
// consumers are made until one is with the leader. use may be called more than once.
func (b *Bus) look(ctx context.Context, streamName string, cfg jetstream.ConsumerConfig, use func(jetstream.Consumer) error) error {
	const often = 30 // of three servers, one in 200,000 looks takes more
	cfg.AckPolicy, cfg.HeadersOnly, cfg.InactiveThreshold = jetstream.AckNonePolicy, true, lookFor
	cfg.MemoryStorage, cfg.Replicas = true, 1 // else a server that syncs does so for each look
	for begun, attempt := time.Now(), 1; ; attempt++ {
		err := b.lookOnce(ctx, streamName, cfg, use)
		if err == nil {
			return nil
		}
		if !passes(err) || ctx.Err() != nil || time.Since(begun) > lookFor {
			return fmt.Errorf("look into %s: %w", streamName, err)
		}
		if attempt > often {
			_ = backOff(ctx, attempt-often) // an end of the context is seen next
		}
	}
}

// leaderless are JetStream's error codes of a cluster whose leaders change, or that has just lost a server: not available, no peers, the consumer
// could not be made, the stream or the consumer is offline.
var leaderless = []jetstream.ErrorCode{10008, 10005, 10012, 10118, 10119}

// passes reports whether what failed may do better next: a cluster does not answer, or says that it cannot, while its leaders change, and
// nor does a consumer that not all of its servers know yet.
func passes(err error) bool {
	if refused := (*jetstream.APIError)(nil); errors.As(err, &refused) {
		return slices.Contains(leaderless, refused.ErrorCode)
	}
	return errors.Is(err, errElsewhere) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded)
}

// lookOnce does so where the consumer it makes is with the leader. Errors: errElsewhere.
func (b *Bus) lookOnce(ctx context.Context, streamName string, cfg jetstream.ConsumerConfig, use func(jetstream.Consumer) error) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor/3) // an answer may be lost
	defer cancel()
	before, err := b.leader(ctx, streamName)
	if err != nil {
		return err
	}
	consumer, err := b.js.CreateConsumer(ctx, streamName, cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
		defer cancel()
		_ = b.js.DeleteConsumer(ctx, streamName, consumer.CachedInfo().Name) // the server does so after a while
	}()
	if at := consumer.CachedInfo().Cluster; at != nil {
		after, err := b.leader(ctx, streamName)
		if err != nil {
			return err
		}
		if at.Leader != before || at.Leader != after {
			return errElsewhere
		}
	}
	return use(consumer)
}

// leader is the server that leads a stream, "" outside of a cluster.
func (b *Bus) leader(ctx context.Context, streamName string) (string, error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil || stream.CachedInfo().Cluster == nil {
		return "", err
	}
	return stream.CachedInfo().Cluster.Leader, nil
}

// SequenceAt is the sequence of the first message that a stream got at a time or later; where
// there is none, the one that the next message will have.
func (b *Bus) SequenceAt(ctx context.Context, streamName string, at time.Time) (sequence uint64, err error) {
	last, err := b.LastSequence(ctx, streamName) // before the look: what comes meanwhile comes later
	if err != nil {
		return 0, err
	}
	err = b.look(ctx, streamName, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at},
		func(consumer jetstream.Consumer) error {
			if consumer.CachedInfo().NumPending == 0 {
				sequence = last + 1
				return nil
			}
			msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
			if err != nil {
				return err
			}
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			sequence = meta.Sequence.Stream
			return nil
		})
	return sequence, err
}

// LastSequence is the sequence of the last message that a stream got.
func (b *Bus) LastSequence(ctx context.Context, streamName string) (uint64, error) {
	state, err := b.state(ctx, streamName)
	return state.LastSeq, err
}

func (b *Bus) state(ctx context.Context, streamName string, opts ...jetstream.StreamInfoOpt) (state jetstream.StreamState, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return state, fmt.Errorf("stream %s: %w", streamName, err)
	}
	info, err := stream.Info(ctx, opts...)
	if err != nil {
		return state, fmt.Errorf("stream %s: %w", streamName, err)
	}
	return info.State, nil
}

// Subjects are the subjects of a stream that match a pattern and have messages, and how many.
func (b *Bus) Subjects(ctx context.Context, streamName, pattern string) (map[string]uint64, error) {
	state, err := b.state(ctx, streamName, jetstream.WithSubjectFilter(pattern))
	return state.Subjects, err
}

// Queued is how many messages a stream has on a subject, and whether it is more than half full.
func (b *Bus) Queued(ctx context.Context, streamName, subject string) (n uint64, filling bool, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return 0, false, fmt.Errorf("stream %s: %w", streamName, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return 0, false, fmt.Errorf("stream %s: %w", streamName, err)
	}
	limit := info.Config.MaxBytes
	return info.State.Subjects[subject], limit > 0 && info.State.Bytes > uint64(limit)/2, nil
}

// CountFrom is how many messages a stream has on a subject ("" is all) from a sequence on.
func (b *Bus) CountFrom(ctx context.Context, streamName, subject string, from uint64) (n uint64, err error) {
	err = b.look(ctx, streamName, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1), FilterSubject: subject,
	}, func(consumer jetstream.Consumer) error {
		n = consumer.CachedInfo().NumPending
		return nil
	})
	return n, err
}

// CountBetween is how many messages a stream has on a subject from one sequence to another, both
// included, which must not be beyond its last. Nothing behind them may be removed meanwhile.
func (b *Bus) CountBetween(ctx context.Context, streamName, subject string, first, last uint64) (uint64, error) {
	if first > last {
		return 0, nil
	}
	begun, c := time.Now(), newCounted()
	before, err := b.CountFrom(ctx, streamName, subject, first)
	for err == nil {
		var behind, after uint64
		if behind, err = b.CountFrom(ctx, streamName, subject, last+1); err != nil {
			break
		}
		if after, err = b.CountFrom(ctx, streamName, subject, first); err != nil {
			break
		}
		if n, ok := c.narrow(before, behind, after); ok {
			return n, nil
		}
		if time.Since(begun) > lookFor {
			err = fmt.Errorf("messages come to %s on %s faster than they can be counted", streamName, cmp.Or(subject, "all subjects"))
		}
		before = after
	}
	return 0, err
}

// counted are bounds of how many messages there are from a first to a last one.
type counted struct{ least, most uint64 }

func newCounted() counted { return counted{most: math.MaxUint64} }

// narrow takes how many there were from the first on, then behind the last, then from the first on again, and returns how many there
// are between, once that is known. Messages come behind the last meanwhile: what came between the first two counts is missing in the one
// difference, and what came between the last two is too much in the other.
func (c *counted) narrow(before, behind, after uint64) (n uint64, ok bool) {
	c.least, c.most = max(c.least, before-min(before, behind)), min(c.most, after-min(after, behind))
	return c.most, c.least >= c.most // greater where some were removed since
}

// Intact reports whether a stream still has every message that it got from a sequence on.
// Removed messages leave gaps, so nothing needs to be remembered of what was trimmed.
func (b *Bus) Intact(ctx context.Context, streamName string, first uint64) (bool, error) {
	state, err := b.state(ctx, streamName)
	if err != nil || first > state.LastSeq {
		return err == nil, err
	}
	if first < state.FirstSeq || state.NumDeleted == 0 {
		return first >= state.FirstSeq, nil
	}
	n, err := b.CountBetween(ctx, streamName, "", first, state.LastSeq)
	return n == state.LastSeq-first+1, err
}

// WholeFrom is the least sequence from which on a stream still has every message that it got.
func (b *Bus) WholeFrom(ctx context.Context, streamName string) (uint64, error) {
	state, err := b.state(ctx, streamName)
	if err != nil {
		return 0, err
	}
	if state.NumDeleted == 0 {
		return max(state.FirstSeq, 1), nil
	}
	span := int(state.LastSeq - state.FirstSeq + 1)
	n := sort.Search(span, func(i int) bool {
		if err != nil {
			return true
		}
		var intact bool
		intact, err = b.Intact(ctx, streamName, state.FirstSeq+uint64(i))
		return intact
	})
	return state.FirstSeq + uint64(n), err
}

// TimeOf is when a stream got the first message that it has on a subject from a sequence on, and
// that message's own sequence. Zero is none.
func (b *Bus) TimeOf(ctx context.Context, streamName, subject string, from uint64) (sequence uint64, at time.Time, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return 0, at, fmt.Errorf("stream %s: %w", streamName, err)
	}
	msg, err := stream.GetMsg(ctx, max(from, 1), jetstream.WithGetMsgSubject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, at, nil
	}
	if err != nil {
		return 0, at, fmt.Errorf("look into %s: %w", streamName, err)
	}
	return msg.Sequence, msg.Time, nil
}

// Progress is how far a consumer of the stream of resources has come.
type Progress struct {
	Floor     uint64 // everything up to it is acknowledged
	Delivered uint64 // nothing behind it was ever handed out
	Idle      bool   // nothing waits and nothing is in hand
}

// WriterProgress is how far the writers have come with a type. Where nothing waits, that is
// the stream's last sequence.
func (b *Bus) WriterProgress(ctx context.Context, resourceType string) (Progress, error) {
	stream, err := b.js.Stream(ctx, fhirmsg.StreamResources) // its state is from before the look
	if err != nil {
		return Progress{}, fmt.Errorf("stream %s: %w", fhirmsg.StreamResources, err)
	}
	consumer, err := stream.Consumer(ctx, fhirmsg.WriterConsumer(resourceType))
	if err != nil {
		return Progress{}, fmt.Errorf("consumer of %s: %w", resourceType, err)
	}
	p, err := progress(ctx, stream, consumer.CachedInfo())
	if p.Idle {
		p.Floor = max(p.Floor, stream.CachedInfo().State.LastSeq)
	}
	return p, err
}

// progress is how far a consumer of one filter had come when info was asked for.
func progress(ctx context.Context, stream jetstream.Stream, info *jetstream.ConsumerInfo) (Progress, error) {
	idle, err := drained(ctx, stream, info)
	return Progress{Floor: info.AckFloor.Stream, Delivered: info.Delivered.Stream, Idle: idle}, err
}

// drained reports whether a consumer of one filter has acknowledged all that its stream had for it before info was asked for. The
// stream is asked too: the server counts for its consumers a little after it has stored a message and acknowledged it, so that one may say
// that nothing waits.
func drained(ctx context.Context, stream jetstream.Stream, info *jetstream.ConsumerInfo) (bool, error) {
	if unacknowledged(info) > 0 {
		return false, nil
	}
	_, err := stream.GetMsg(ctx, info.Delivered.Stream+1, jetstream.WithGetMsgSubject(cmp.Or(info.Config.FilterSubject, ">")))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", info.Stream, err)
	}
	return false, nil
}
