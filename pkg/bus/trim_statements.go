package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// largeCrowded is the share of what objects may have from which rejects give way to others: those
// that are kept may name objects too.
const largeCrowded = 0.5

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
	full, err := b.statementsFull(ctx, stream.CachedInfo())
	if err != nil {
		return err
	}
	if full >= trimFrom {
		upTo = max(upTo, cutAt(state, 1-trimTo/full))
	}
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		if isPipeline(info.Name) {
			floor := info.AckFloor.Stream
			if progressOf(info).Idle {
				floor = max(floor, state.LastSeq)
			}
			upTo = min(upTo, floor+1)
		}
	}
	upTo = min(upTo, state.LastSeq) // the last one stays, and tells that nothing is missing behind it
	if err := list.Err(); err != nil || upTo <= state.FirstSeq {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSequence(upTo))
}

// statementsFull is how much of its limit a stream has; of rejects, more where objects are crowded.
func (b *Bus) statementsFull(ctx context.Context, info *jetstream.StreamInfo) (full float64, err error) {
	if info.Config.MaxBytes > 0 {
		full = float64(info.State.Bytes) / float64(info.Config.MaxBytes)
	}
	if info.Config.Name != fhirmsg.StreamRejects {
		return full, nil
	}
	objects, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return 0, err
	}
	resources, err := b.js.Stream(ctx, fhirmsg.StreamResources)
	if err != nil {
		return 0, err
	}
	if float64(objects.CachedInfo().State.Bytes) > largeCrowded*float64(largeLimit(resources.CachedInfo())) {
		full = max(full, trimFrom)
	}
	return full, nil
}
