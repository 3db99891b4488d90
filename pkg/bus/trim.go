package bus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Shares of a stream's limit: trimming begins at the first and ends at the second.
const (
	trimFrom = 0.80
	trimTo   = 0.70
)

// Trim removes the oldest messages of a stream that is over 80 % of its limit, and those older
// than maxAge (0 is no age), type by type and never beyond what the type's own consumer has
// acknowledged, nor what a replay has yet to read. A type without a consumer is left alone.
// (Invariant 4.)
func (b *Bus) Trim(ctx context.Context, streamName string, resourceTypes []string, maxAge time.Duration) error {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	cut := sizeCut(info)
	if maxAge > 0 {
		old, err := b.SequenceAt(ctx, streamName, time.Now().Add(-maxAge))
		if err != nil {
			return fmt.Errorf("trim %s: %w", streamName, err)
		}
		cut = max(cut, old)
	}
	if cut <= info.State.FirstSeq {
		return nil
	}
	floors, err := floors(ctx, stream)
	if err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	for _, t := range resourceTypes {
		floor, known := floors[t]
		upTo := min(cut, floor+1) // purges what is below upTo
		if !known || upTo <= info.State.FirstSeq {
			continue
		}
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(fhirmsg.ResourceSubject("*", t)), jetstream.WithPurgeSequence(upTo))
		if err != nil {
			return fmt.Errorf("trim %s of %s: %w", streamName, t, err)
		}
	}
	return nil
}

// sizeCut is the sequence up to which to remove for the stream's size, or 0. All types are cut
// at one, so that what stays is the newest of all of them.
func sizeCut(info *jetstream.StreamInfo) uint64 {
	limit := float64(info.Config.MaxBytes)
	if limit <= 0 || float64(info.State.Bytes) < trimFrom*limit {
		return 0
	}
	share := 1 - trimTo*limit/float64(info.State.Bytes)
	return info.State.FirstSeq + uint64(share*float64(info.State.LastSeq-info.State.FirstSeq)) + 1
}

// floors are, for each type that has a consumer of its own, the sequence up to which it and
// all replays of the type, of whatever dataset, have acknowledged everything.
func floors(ctx context.Context, stream jetstream.Stream) (map[string]uint64, error) {
	own, replays := map[string]uint64{}, map[string]uint64{}
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		resourceType := info.Config.FilterSubject[strings.LastIndexByte(info.Config.FilterSubject, '.')+1:]
		floor := info.AckFloor.Stream
		switch {
		case info.Name == fhirmsg.WriterConsumer(resourceType):
			own[resourceType] = floor
		case strings.HasPrefix(info.Name, fhirmsg.ReplayConsumerPrefix):
			if other, ok := replays[resourceType]; !ok || floor < other {
				replays[resourceType] = floor
			}
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list consumers: %w", err)
	}
	for t, floor := range replays {
		if mine, ok := own[t]; ok {
			own[t] = min(mine, floor)
		}
	}
	return own, nil
}
