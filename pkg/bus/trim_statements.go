package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TrimStatements removes the oldest of a stream of rejects or statements that is over 80 % of its
// limit, and what is older than maxAge (0 is no age), never beyond what its consumer has acknowledged,
// if it has one, and never the last message. (Invariant 4.)
func (b *Bus) TrimStatements(ctx context.Context, streamName string, maxAge time.Duration) error {
	if err := b.trimStatements(ctx, streamName, maxAge); err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	return nil
}

func (b *Bus) trimStatements(ctx context.Context, streamName string, maxAge time.Duration) error {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	upTo := uint64(0) // what is below goes
	if maxAge > 0 {
		if upTo, err = b.SequenceAt(ctx, streamName, time.Now().Add(-maxAge)); err != nil {
			return err
		}
	}
	if limit := stream.CachedInfo().Config.MaxBytes; limit > 0 {
		if full := float64(state.Bytes) / float64(limit); full >= trimFrom {
			upTo = max(upTo, cutAt(state, 1-trimTo/full))
		}
	}
	return purgeRecorded(ctx, stream, upTo)
}

// purgeRecorded removes what is below a sequence, as far as consumers of the pipeline have it, and never the last message.
func purgeRecorded(ctx context.Context, stream jetstream.Stream, upTo uint64) error {
	state := stream.CachedInfo().State
	if upTo <= state.FirstSeq {
		return nil
	}
	var consumers []*jetstream.ConsumerInfo
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		if isPipeline(info.Name) {
			consumers = append(consumers, info)
		}
	}
	if err := list.Err(); err != nil {
		return err
	}
	for _, info := range consumers {
		floor := info.AckFloor.Stream
		idle, err := drained(ctx, stream, info)
		if err != nil {
			return err
		}
		if idle {
			floor = max(floor, state.LastSeq)
		}
		upTo = min(upTo, floor+1)
	}
	upTo = min(upTo, state.LastSeq) // the last one stays, and tells that nothing is missing behind it
	if upTo <= state.FirstSeq {
		return nil
	}
	return stream.Purge(ctx, jetstream.WithPurgeSequence(upTo))
}
