package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// forever is how long a type is paused where nobody says for how long.
const forever = 100 * 365 * 24 * time.Hour

// PauseType stops the writers of one resource type, for so long; 0 is until [Bus.ResumeType].
// What they have in hand they finish. JetStream keeps the pause, so it outlives all services.
func (b *Bus) PauseType(ctx context.Context, resourceType string, period time.Duration) error {
	if period <= 0 {
		period = forever
	}
	_, err := b.js.PauseConsumer(ctx, fhirmsg.StreamResources, fhirmsg.WriterConsumer(resourceType), time.Now().Add(period))
	if err != nil {
		return fmt.Errorf("pause %s: %w", resourceType, err)
	}
	return nil
}

// ResumeType lets the writers of a resource type go on.
func (b *Bus) ResumeType(ctx context.Context, resourceType string) error {
	_, err := b.js.ResumeConsumer(ctx, fhirmsg.StreamResources, fhirmsg.WriterConsumer(resourceType))
	if err != nil {
		return fmt.Errorf("resume %s: %w", resourceType, err)
	}
	return nil
}

// Pressure is what holds the pipeline back.
type Pressure struct {
	Full   []string     `json:"full,omitempty"`   // streams that take hardly anything more
	Paused []PausedType `json:"paused,omitempty"` // types whose writers are stopped
}

// PausedType is a type whose writers are stopped.
type PausedType struct {
	Type    string    `json:"type"`
	Until   time.Time `json:"until,omitzero"` // zero: until somebody resumes it
	Waiting uint64    `json:"waiting"`        // batches
}

// fullFrom is the share of its limit from which a stream counts as full: a large message is
// refused before the last byte is taken.
const fullFrom = 0.95

// Pressure returns what holds the pipeline back at the moment.
func (b *Bus) Pressure(ctx context.Context, resourceTypes []string) (p Pressure, err error) {
	for _, s := range fhirmsg.Streams() {
		stream, err := b.js.Stream(ctx, s.Name)
		if err != nil {
			return p, fmt.Errorf("stream %s: %w", s.Name, err)
		}
		info := stream.CachedInfo()
		if limit := info.Config.MaxBytes; limit > 0 && float64(info.State.Bytes) > fullFrom*float64(limit) {
			p.Full = append(p.Full, s.Name)
		}
		if s.Name != fhirmsg.StreamResources {
			continue
		}
		types := map[string]string{}
		for _, t := range resourceTypes {
			types[fhirmsg.WriterConsumer(t)] = t
		}
		list := stream.ListConsumers(ctx)
		for info := range list.Info() {
			if t := types[info.Name]; t != "" && info.Paused {
				paused := PausedType{Type: t, Waiting: unacknowledged(info)}
				if info.PauseRemaining < forever/2 {
					paused.Until = time.Now().Add(info.PauseRemaining).Truncate(time.Second)
				}
				p.Paused = append(p.Paused, paused)
			}
		}
		if err := list.Err(); err != nil {
			return p, fmt.Errorf("consumers of %s: %w", s.Name, err)
		}
	}
	return p, nil
}

func unacknowledged(info *jetstream.ConsumerInfo) uint64 {
	return info.NumPending + uint64(info.NumAckPending)
}

// TypeBacklog is what waits of one resource type in the stream of resources.
type TypeBacklog struct {
	Messages uint64 // not acknowledged by the type's writers; the others can be trimmed
	Average  int64  // bytes of a message of any type
	Limit    int64  // of the stream, in bytes; 0 is none
}

// TypeBacklog returns what waits of one resource type. A type without a consumer has nothing.
func (b *Bus) TypeBacklog(ctx context.Context, resourceType string) (t TypeBacklog, err error) {
	stream, err := b.js.Stream(ctx, fhirmsg.StreamResources)
	if err != nil {
		return t, fmt.Errorf("stream %s: %w", fhirmsg.StreamResources, err)
	}
	info := stream.CachedInfo()
	t.Limit = max(info.Config.MaxBytes, 0)
	if info.State.Msgs > 0 {
		t.Average = int64(info.State.Bytes / info.State.Msgs)
	}
	consumer, err := stream.Consumer(ctx, fhirmsg.WriterConsumer(resourceType))
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return t, nil
	}
	if err != nil {
		return t, fmt.Errorf("consumer of %s: %w", resourceType, err)
	}
	t.Messages = unacknowledged(consumer.CachedInfo())
	return t, nil
}
