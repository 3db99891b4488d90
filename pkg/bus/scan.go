package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Scan reads all that a stream holds on a subject, oldest first, without consuming it. since
// is when the oldest message of the stream was stored, if older ones are gone.
func (b *Bus) Scan(ctx context.Context, streamName, subject string, each func(Message) error) (since time.Time, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return since, fmt.Errorf("stream %s: %w", streamName, err)
	}
	if state := stream.CachedInfo().State; state.FirstSeq > 1 {
		since = state.FirstTime
	}
	last, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return since, nil
	}
	if err != nil {
		return since, fmt.Errorf("stream %s: %w", streamName, err)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		return since, fmt.Errorf("read %s: %w", subject, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return since, fmt.Errorf("read %s: %w", subject, err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return since, fmt.Errorf("read %s: %w", subject, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return since, fmt.Errorf("read %s: %w", subject, err)
		}
		data, err := b.payload(ctx, msg)
		if err != nil {
			return since, err
		}
		if err := each(Message{Subject: msg.Subject(), Sequence: meta.Sequence.Stream, Data: data}); err != nil {
			return since, err
		}
		if meta.Sequence.Stream >= last.Sequence {
			return since, nil
		}
	}
}
