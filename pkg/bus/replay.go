package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Replay is one resource type that a replay reads, from a sequence on.
type Replay struct {
	ID      fhirmsg.ImportID
	Dataset string
	Type    string
	First   uint64
}

// Consumer is the name of the replay's consumer.
func (r Replay) Consumer() string { return fhirmsg.ReplayConsumer(r.ID, r.Type) }

// replayAhead is how many messages of a replay are in hand, or handed back, at once.
const replayAhead = 1024

// OpenReplay makes the consumer of a replay, if there is none, and returns how far it has come.
// From then on, Trim spares what it has yet to read.
func (b *Bus) OpenReplay(ctx context.Context, r Replay) (Progress, error) {
	stream, err := b.js.Stream(ctx, fhirmsg.StreamResources)
	if err != nil {
		return Progress{}, fmt.Errorf("stream %s: %w", fhirmsg.StreamResources, err)
	}
	consumer, err := stream.Consumer(ctx, r.Consumer())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		cfg := consumerConfig(fhirmsg.Consumer{
			Name: r.Consumer(), Filter: fhirmsg.ResourceSubject(r.Dataset, r.Type), AckWait: fhirmsg.AckWait,
		})
		cfg.MaxAckPending = replayAhead
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, max(r.First, 1)
		consumer, err = stream.CreateConsumer(ctx, cfg)
	}
	if err != nil {
		return Progress{}, fmt.Errorf("consumer %s: %w", r.Consumer(), err)
	}
	return progress(ctx, stream, consumer.CachedInfo())
}

// CloseReplay removes the consumer of a replay. The messages stay.
func (b *Bus) CloseReplay(ctx context.Context, name string) error {
	err := b.js.DeleteConsumer(ctx, fhirmsg.StreamResources, name)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("remove consumer %s: %w", name, err)
	}
	return nil
}

// ReplayConsumers are the names of all consumers of replays.
func (b *Bus) ReplayConsumers(ctx context.Context) (names []string, err error) {
	stream, err := b.js.Stream(ctx, fhirmsg.StreamResources)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", fhirmsg.StreamResources, err)
	}
	list := stream.ConsumerNames(ctx)
	for name := range list.Name() {
		if strings.HasPrefix(name, fhirmsg.ReplayConsumerPrefix) {
			names = append(names, name)
		}
	}
	if err := list.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, fmt.Errorf("consumers of %s: %w", fhirmsg.StreamResources, err)
	}
	return names, nil
}

// isPipeline tells a consumer of the pipeline from one of a replay, or one that only looks.
func isPipeline(name string) bool {
	switch name {
	case fhirmsg.ConsumerFetcher, fhirmsg.ConsumerOperator, fhirmsg.ConsumerParser, fhirmsg.ConsumerRejects, fhirmsg.ConsumerStatements:
		return true
	}
	return strings.HasPrefix(name, fhirmsg.WriterConsumer(""))
}

// ErrTrimmed is returned where messages were removed while they were read. The others were handed over.
var ErrTrimmed = errors.New("messages were removed while they were read")

// readWait is how long the next message may take before is asked whether there is one.
const readWait = 2 * time.Second

// Read hands over what a stream holds on a subject ("" is all) from one sequence to another, both included,
// oldest first, without consuming it. The last must not be beyond the stream's. Errors: [ErrTrimmed].
func (b *Bus) Read(ctx context.Context, streamName, subject string, first, last uint64, each func(Message) error) error {
	left, err := b.CountBetween(ctx, streamName, subject, first, last)
	if err != nil || left == 0 {
		return err
	}
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("read %s: %w", streamName, err)
	}
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(first, 1)}
	if subject != "" {
		cfg.FilterSubjects = []string{subject}
	}
	consumer, err := stream.OrderedConsumer(ctx, cfg)
	if err != nil {
		return fmt.Errorf("read %s: %w", streamName, err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(16))
	if err != nil {
		return fmt.Errorf("read %s: %w", streamName, err)
	}
	defer messages.Stop()
	for left > 0 && first <= last {
		msg, err := b.nextBetween(ctx, messages, streamName, subject, first, last)
		if err != nil {
			return fmt.Errorf("read %s: %w", streamName, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", streamName, err)
		}
		if meta.Sequence.Stream > last {
			return fmt.Errorf("read %s: %w", streamName, ErrTrimmed)
		}
		data, err := b.payload(ctx, msg)
		if err != nil {
			return err
		}
		if err := each(Message{Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Data: data}); err != nil {
			return err
		}
		left, first = left-1, meta.Sequence.Stream+1
	}
	if left > 0 {
		return fmt.Errorf("read %s: %w", streamName, ErrTrimmed)
	}
	return nil
}

// nextBetween waits for the next message for as long as the stream has one from first to last. Errors: [ErrTrimmed].
func (b *Bus) nextBetween(ctx context.Context, messages jetstream.MessagesContext, streamName, subject string, first, last uint64) (jetstream.Msg, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, readWait)
		msg, err := messages.Next(jetstream.NextContext(waiting))
		late := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !late {
			return msg, err
		}
		if n, err := b.CountBetween(ctx, streamName, subject, first, last); err != nil {
			return nil, err
		} else if n == 0 {
			return nil, ErrTrimmed
		}
	}
}

// Last returns the last message that a stream has on a subject; ok is false where there is none.
func (b *Bus) Last(ctx context.Context, streamName, subject string) (last Message, ok bool, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return last, false, fmt.Errorf("stream %s: %w", streamName, err)
	}
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return last, false, nil
	}
	if err != nil {
		return last, false, fmt.Errorf("look into %s: %w", streamName, err)
	}
	last = Message{Subject: msg.Subject, Sequence: msg.Sequence, Data: msg.Data}
	if name := msg.Header.Get(headerObject); name != "" {
		last.Data, err = b.getObject(ctx, name)
	}
	return last, err == nil, err
}
