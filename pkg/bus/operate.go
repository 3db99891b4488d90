package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Backlog returns, for each consumer of a stream, by its subject, how many messages wait to
// be acknowledged. Those of replays do not count: what they read was delivered before. A stream
// that lets go of what is acknowledged has one number, for all its subjects.
func (b *Bus) Backlog(ctx context.Context, streamName string) (map[string]uint64, error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", streamName, err)
	}
	info := stream.CachedInfo()
	if info.Config.Retention == jetstream.WorkQueuePolicy && len(info.Config.Subjects) > 0 {
		return map[string]uint64{info.Config.Subjects[0]: info.State.Msgs}, nil
	}
	left := map[string]uint64{}
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		if !isPipeline(info.Name) {
			continue
		}
		left[info.Config.FilterSubject] = unacknowledged(info)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("consumers of %s: %w", streamName, err)
	}
	return left, nil
}

// Rewind has the writers of the resource types read everything again that the stream of
// resources still holds.
func (b *Bus) Rewind(ctx context.Context, resourceTypes []string) error {
	for _, t := range resourceTypes {
		if _, err := b.js.ResetConsumerToSequence(ctx, fhirmsg.StreamResources, fhirmsg.WriterConsumer(t), 1); err != nil {
			return fmt.Errorf("rewind %s: %w", t, err)
		}
	}
	return nil
}

// Purge empties a stream.
func (b *Bus) Purge(ctx context.Context, streamName string) error {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("stream %s: %w", streamName, err)
	}
	if err := stream.Purge(ctx); err != nil {
		return fmt.Errorf("purge %s: %w", streamName, err)
	}
	return nil
}
