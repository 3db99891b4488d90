package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Shares of a stream's limit: trimming begins at the first and ends at the second.
const (
	trimFrom = 0.80
	trimTo   = 0.70
)

// Trim removes the oldest messages of a stream that is over 80 % of its limit, type by type
// and never beyond what the type's own consumer has acknowledged. A type without a
// consumer is left alone. (Invariant 4.)
func (b *Bus) Trim(ctx context.Context, streamName string, resourceTypes []string) error {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	limit := float64(info.Config.MaxBytes)
	full, err := b.fullness(ctx, info)
	if err != nil {
		return fmt.Errorf("trim %s: %w", streamName, err)
	}
	if limit <= 0 || full < trimFrom {
		return nil
	}
	// Where a type is paused the oldest part may be all its own, and stays. Then more of the others goes.
	for share := 1 - trimTo/full; ; share = min(2*share, 1) {
		if err := b.trimShare(ctx, stream, info, share, resourceTypes); err != nil {
			return err
		}
		if share == 1 {
			return nil
		}
		if info, err = stream.Info(ctx); err != nil {
			return fmt.Errorf("trim %s: %w", streamName, err)
		}
		if float64(info.State.Bytes) < trimFrom*limit {
			return nil
		}
	}
}

// fullness is how much of its limit a stream has, or of that together with the objects that its
// messages name, whichever is more.
func (b *Bus) fullness(ctx context.Context, info *jetstream.StreamInfo) (float64, error) {
	objects, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return 0, err
	}
	bytes := float64(info.State.Bytes)
	both := bytes + float64(objects.CachedInfo().State.Bytes)
	return max(bytes/float64(info.Config.MaxBytes), both/float64(largeLimit(info))), nil
}

// trimShare removes a share of what the stream holds, as far as it may go. All types are cut
// at one sequence, so that what stays is the newest of all of them.
func (b *Bus) trimShare(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, share float64, resourceTypes []string) error {
	cut := info.State.FirstSeq + uint64(share*float64(info.State.LastSeq-info.State.FirstSeq)) + 1
	for _, t := range resourceTypes {
		consumer, err := stream.Consumer(ctx, fhirmsg.WriterConsumer(t))
		if err != nil {
			continue
		}
		floor := consumer.CachedInfo().AckFloor.Stream
		upTo := min(cut, floor+1) // purges what is below upTo
		if upTo <= info.State.FirstSeq {
			continue
		}
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(fhirmsg.ResourceSubject("*", t)), jetstream.WithPurgeSequence(upTo))
		if err != nil {
			return fmt.Errorf("trim %s of %s: %w", info.Config.Name, t, err)
		}
	}
	return nil
}
