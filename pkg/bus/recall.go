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
	known := consumer.CachedInfo()
	info, err := b.past(ctx, consumer)
	if info == nil || err != nil {
		return err
	}
	timer := time.NewTimer(recallAfter)
	select {
	case <-ctx.Done():
		timer.Stop()
		return ctx.Err()
	case <-timer.C:
	}
	if info, err = b.past(ctx, consumer); info == nil || err != nil {
		return err
	}
	b.log.Warn().Str("consumer", known.Name).Msg("the queue has messages that were acknowledged and removed before the NATS server ended; they are processed again, which changes nothing")
	if _, err := b.js.ResetConsumerToSequence(ctx, known.Stream, known.Name, 1); err != nil {
		return fmt.Errorf("read %s from the beginning: %w", known.Stream, err)
	}
	return nil
}

// past returns how a consumer stands that has nothing to do, though there is a message for it which it is past; else nil.
func (b *Bus) past(ctx context.Context, consumer jetstream.Consumer) (*jetstream.ConsumerInfo, error) {
	info, err := consumer.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", consumer.CachedInfo().Name, err)
	}
	if info.NumPending > 0 || info.NumAckPending > 0 {
		return nil, nil
	}
	stream, err := b.js.Stream(ctx, info.Stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", info.Stream, err)
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return nil, nil
	}
	first, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(info.Config.FilterSubject))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("stream %s: %w", info.Stream, err)
	case first.Sequence > info.AckFloor.Stream:
		return nil, nil // it came after the consumer was asked
	}
	return info, nil
}
