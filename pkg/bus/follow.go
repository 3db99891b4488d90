package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Head is what is known of a message without its payload.
type Head struct {
	Subject  string
	Sequence uint64
	Bytes    int64 // of the payload
	Header   nats.Header
}

// Delivered is a message of others, with its headers.
type Delivered struct {
	Head
	Data []byte
}

// Made is when a stream was made. Sequences have a meaning within one stream only.
func (b *Bus) Made(ctx context.Context, streamName string) (time.Time, error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return time.Time{}, fmt.Errorf("stream %s: %w", streamName, err)
	}
	return stream.CachedInfo().Created, nil
}

// Follower reads a stream in order without consuming it. It is for one goroutine.
type Follower struct {
	stream   jetstream.Stream
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	heads    bool
}

// Follow reads a stream on a subject ("" is all) from a sequence on; without payloads, if only heads are wanted.
// Close it.
func (b *Bus) Follow(ctx context.Context, streamName, subject string, from uint64, heads bool) (*Follower, error) {
	cfg := jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1), HeadersOnly: heads, InactiveThreshold: lookFor,
	}
	if subject != "" {
		cfg.FilterSubjects = []string{subject}
	}
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", streamName, err)
	}
	consumer, err := stream.OrderedConsumer(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", streamName, err)
	}
	ahead := 4 // messages in memory, which may be large
	if heads {
		ahead = 500
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(ahead))
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", streamName, err)
	}
	return &Follower{stream: stream, consumer: consumer, messages: messages, heads: heads}, nil
}

// Next waits for the next message, for so long. nil and no error is that none came.
func (f *Follower) Next(ctx context.Context, wait time.Duration) (*Delivered, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	msg, err := f.messages.Next(jetstream.NextContext(waiting))
	if err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return nil, nil
		}
		return nil, fmt.Errorf("follow: %w", err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("follow: %w", err)
	}
	d := &Delivered{Head: Head{Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Bytes: int64(len(msg.Data())), Header: msg.Headers()}, Data: msg.Data()}
	if f.heads {
		sizes := msg.Headers().Values(nats.MsgSize)
		if len(sizes) == 0 {
			return nil, fmt.Errorf("follow: message %d came without its size", d.Sequence)
		}
		// The server adds its own behind those of the publisher.
		if d.Bytes, err = strconv.ParseInt(sizes[len(sizes)-1], 10, 64); err != nil {
			return nil, fmt.Errorf("follow: size of message %d: %w", d.Sequence, err)
		}
	}
	return d, nil
}

// Payload reads the payload of a message of which only the head came. One that is gone meanwhile has none.
func (f *Follower) Payload(ctx context.Context, sequence uint64) ([]byte, error) {
	msg, err := f.stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("follow: message %d: %w", sequence, err)
	}
	return msg.Data, nil
}

// Close ends the reading, and leaves nothing at the server.
func (f *Follower) Close() {
	f.messages.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), lookFor)
	defer cancel()
	_ = f.stream.DeleteConsumer(ctx, f.consumer.CachedInfo().Name) // else it goes by itself
}

// PurgeBelow removes what a stream has on a subject below a sequence. A stream that is not there has nothing.
func (b *Bus) PurgeBelow(ctx context.Context, streamName, subject string, sequence uint64) error {
	stream, err := b.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(sequence))
	}
	if err != nil {
		return fmt.Errorf("purge %s: %w", streamName, err)
	}
	return nil
}
