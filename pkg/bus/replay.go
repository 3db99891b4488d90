package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
