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

// Follower reads a stream in order without consuming it. It is for one goroutine. After an error it is to be made again.
type Follower struct {
	stream   jetstream.Stream
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	heads    bool

	came    uint64    // how many messages
	heard   time.Time // when the last one came, or the server said that there is none
	waiting bool      // the server said then that there are some, or that it had sent more
}

// errLost is of a reading that a server has lost, as when it was started again, or its cluster goes on without it.
var errLost = errors.New("the server does not send what it has")

const (
	// idleFor is how long the server keeps a consumer of a follower that has vanished.
	idleFor = 5 * time.Minute
	// hearEvery is how long a follower hears nothing before it asks the server, and how long that may take to answer.
	hearEvery = 5 * time.Second
)

// Follow reads a stream on a subject ("" is all) from a sequence on; without payloads, if only heads are wanted.
// Close it.
func (b *Bus) Follow(ctx context.Context, streamName, subject string, from uint64, heads bool) (*Follower, error) {
	ahead := 4 // messages in memory, which may be large
	if heads {
		ahead = 500
	}
	f, err := b.follow(ctx, streamName, subject, from, ahead, heads)
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", streamName, err)
	}
	return f, nil
}

// follow has a consumer of its own, and not the client's ordered one: that makes itself anew for as long as it takes, also when the context
// has ended, and does not notice a consumer that is gone where each wait is short.
func (b *Bus) follow(ctx context.Context, streamName, subject string, from uint64, ahead int, heads bool) (*Follower, error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1), FilterSubject: subject, HeadersOnly: heads,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: idleFor, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return nil, err
	}
	f := &Follower{stream: stream, consumer: consumer, heads: heads, heard: time.Now()}
	if f.messages, err = consumer.Messages(jetstream.PullMaxMessages(ahead)); err != nil {
		return nil, err
	}
	return f, nil
}

// Next waits for the next message, for so long. nil and no error is that none came.
func (f *Follower) Next(ctx context.Context, wait time.Duration) (*Delivered, error) {
	msg, sequence, err := f.next(ctx, wait)
	if err != nil {
		return nil, fmt.Errorf("follow: %w", err)
	}
	if msg == nil {
		return nil, nil
	}
	d := &Delivered{Head: Head{Subject: msg.Subject(), Sequence: sequence, Bytes: int64(len(msg.Data())), Header: msg.Headers()}, Data: msg.Data()}
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

// next returns the next message and its sequence in the stream; nil and no error is that none came. Errors: errLost.
func (f *Follower) next(ctx context.Context, wait time.Duration) (jetstream.Msg, uint64, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	msg, err := f.messages.Next(jetstream.NextContext(waiting))
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return nil, 0, f.hear(ctx)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errLost, err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, 0, err
	}
	if f.came++; meta.Sequence.Consumer != f.came { // nobody acknowledges, so what a broken connection took does not come again
		return nil, 0, fmt.Errorf("%w: message %d came as number %d, after %d", errLost, meta.Sequence.Stream, meta.Sequence.Consumer, f.came-1)
	}
	f.heard, f.waiting = time.Now(), false
	return msg, meta.Sequence.Stream, nil
}

// hear asks the server whether there is really nothing, if nothing came for a while.
func (f *Follower) hear(ctx context.Context) error {
	if time.Since(f.heard) < hearEvery {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, hearEvery)
	defer cancel()
	info, err := f.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	// What went into a connection that broke counts as delivered, and does not come again.
	waited := f.waiting
	if f.heard, f.waiting = time.Now(), info.NumPending > 0 || info.Delivered.Consumer > f.came; f.waiting && waited {
		return fmt.Errorf("%w: %d of %d messages came, and %d wait", errLost, f.came, info.Delivered.Consumer, info.NumPending)
	}
	return nil
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

// closeFor is how long a server that does not answer may hold up who has read.
const closeFor = 2 * time.Second

// Close ends the reading, and leaves nothing at the server, if that answers.
func (f *Follower) Close() {
	f.messages.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeFor)
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
