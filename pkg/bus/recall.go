package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// recallAfter is how long a message must lie in a queue that its consumer is past. One that was acknowledged just now is being removed.
const recallAfter = time.Second

func isQueue(stream string) bool {
	return slices.ContainsFunc(fhirmsg.Streams(), func(s fhirmsg.Stream) bool { return s.Name == stream && s.Queue })
}

// recall has a consumer of a queue begin anew where the queue has messages that it is past. A NATS server that was killed may have messages
// again that were acknowledged and removed, while what it knows of its consumers is newer: nobody would get these messages, and they would take
// the queue's room for ever. To process them again changes nothing (invariant 1).
func (b *Bus) recall(ctx context.Context, consumer jetstream.Consumer) error {
	if is, err := b.past(ctx, consumer); !is {
		return err
	}
	timer := time.NewTimer(recallAfter)
	select {
	case <-ctx.Done():
		timer.Stop()
		return ctx.Err()
	case <-timer.C:
	}
	if is, err := b.past(ctx, consumer); !is {
		return err
	}
	c := consumer.CachedInfo()
	b.log.Warn().Str("consumer", c.Name).
		Msg("the queue has messages again that were acknowledged and removed before the NATS server ended; they are processed once more, which changes nothing")
	if _, err := b.js.ResetConsumerToSequence(ctx, c.Stream, c.Name, 1); err != nil {
		return fmt.Errorf("read %s from the beginning: %w", c.Stream, err)
	}
	return nil
}

// past reports whether a consumer has nothing to do, though there is a message for it: one that it is past.
func (b *Bus) past(ctx context.Context, consumer jetstream.Consumer) (bool, error) {
	c, err := consumer.Info(ctx)
	if err != nil {
		return false, fmt.Errorf("consumer %s: %w", consumer.CachedInfo().Name, err)
	}
	if c.NumPending > 0 || c.NumAckPending > 0 {
		return false, nil
	}
	stream, err := b.js.Stream(ctx, c.Stream)
	if err != nil {
		return false, fmt.Errorf("stream %s: %w", c.Stream, err)
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return false, nil
	}
	first, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(c.Config.FilterSubject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stream %s: %w", c.Stream, err)
	}
	return first.Sequence <= c.Delivered.Stream, nil // a later one came after the consumer was asked
}
