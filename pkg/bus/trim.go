package bus

import (
	"context"
	"fmt"
	"slices"
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
// (Invariant 4.) cut is that the stream was over 80 % and has less now: more may be waiting for
// the room than there is.
func (b *Bus) Trim(ctx context.Context, streamName string, resourceTypes []string, maxAge time.Duration) (cut bool, err error) {
	if cut, err = b.trim(ctx, streamName, resourceTypes, maxAge); err != nil {
		return cut, fmt.Errorf("trim %s: %w", streamName, err)
	}
	return cut, nil
}

func (b *Bus) trim(ctx context.Context, streamName string, resourceTypes []string, maxAge time.Duration) (cut bool, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return false, err
	}
	info := stream.CachedInfo()
	old := uint64(0)
	if maxAge > 0 {
		if old, err = b.SequenceAt(ctx, streamName, time.Now().Add(-maxAge)); err != nil {
			return false, err
		}
	}
	full, byObjects, err := b.fullness(ctx, info)
	if err != nil || full < trimFrom && old <= info.State.FirstSeq {
		return false, err
	}
	floors, err := floors(ctx, stream, resourceTypes)
	if err != nil {
		return false, err
	}
	if full < trimFrom {
		return false, trimBelow(ctx, stream, info, old, floors)
	}
	before := removed(info.State)
	// Where a type is paused the oldest part may be all its own, and stays. Then more of the others goes.
	for share := 1 - trimTo/full; ; share = min(2*share, 1) {
		if err := trimBelow(ctx, stream, info, max(old, cutAt(info.State, share)), floors); err != nil {
			return false, err
		}
		if info, err = stream.Info(ctx); err != nil {
			return false, err
		}
		cut = removed(info.State) > before
		if share == 1 || len(floors) == 0 || cut && float64(info.State.Bytes) < trimFrom*float64(info.Config.MaxBytes) {
			break
		}
	}
	if cut && byObjects {
		b.cutMu.Lock()
		defer b.cutMu.Unlock()
		b.cut.at = time.Now()
	}
	return cut, nil
}

// removed is how many messages of a stream were removed so far.
func removed(state jetstream.StreamState) uint64 { return state.LastSeq - state.Msgs }

// objectCut is when the stream of resources was cut last, by whomever, to make room for objects, of which there is too little still.
// Objects are removed some time after the messages that name them.
type objectCut struct {
	at      time.Time
	looked  bool
	removed uint64 // from the stream of resources, at the last look
}

// cutAgainAfter is after how many times the age of objects that may be removed a stream is cut again for objects, if the first cut has
// not brought enough: by then a collector has looked.
const cutAgainAfter = 3

// fullness is how much of its limit a stream has, or, byObjects, of that together with the objects that its
// messages name, if that is more and no cut was made for them just now.
func (b *Bus) fullness(ctx context.Context, info *jetstream.StreamInfo) (full float64, byObjects bool, err error) {
	if info.Config.MaxBytes <= 0 {
		return 0, false, nil
	}
	objects, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return 0, false, err
	}
	full = float64(info.State.Bytes) / float64(info.Config.MaxBytes)
	both := float64(info.State.Bytes+objects.CachedInfo().State.Bytes) / float64(b.largeLimit(info))
	b.cutMu.Lock()
	defer b.cutMu.Unlock()
	byOthers := b.cut.looked && removed(info.State) > b.cut.removed
	b.cut.looked, b.cut.removed = true, removed(info.State)
	switch {
	case both < trimFrom:
		b.cut.at = time.Time{}
	case b.cut.at.IsZero() && byOthers:
		b.cut.at = time.Now()
	case both > full && time.Since(b.cut.at) >= cutAgainAfter*b.collectAfter:
		return both, true, nil
	}
	return full, false, nil
}

// cutAt is the sequence behind a share of what a stream holds.
func cutAt(state jetstream.StreamState, share float64) uint64 {
	return state.FirstSeq + uint64(share*float64(state.LastSeq-state.FirstSeq)) + 1
}

// trimBelow removes what is below a sequence, as far as it may go. All types are cut at one, so
// that what stays is the newest of all of them. Types of which nothing more may go are taken from the floors.
func trimBelow(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, cut uint64, floors map[string]uint64) error {
	for t, floor := range floors {
		upTo := min(cut, floor+1) // purges what is below upTo
		if floor < cut {
			delete(floors, t)
		}
		if upTo <= info.State.FirstSeq {
			continue
		}
		err := stream.Purge(ctx, jetstream.WithPurgeSubject(fhirmsg.ResourceSubject("*", t)), jetstream.WithPurgeSequence(upTo))
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

// floors are, for each of the types that has a consumer of its own, the sequence up to which it and
// all replays of the type, of whatever dataset, have acknowledged everything.
func floors(ctx context.Context, stream jetstream.Stream, resourceTypes []string) (map[string]uint64, error) {
	own, replays := map[string]uint64{}, map[string]uint64{}
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		resourceType := info.Config.FilterSubject[strings.LastIndexByte(info.Config.FilterSubject, '.')+1:]
		floor := info.AckFloor.Stream
		switch {
		case !slices.Contains(resourceTypes, resourceType):
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
