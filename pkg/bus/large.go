package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

const (
	largeBucket = "LARGE"
	largeStream = "OBJ_" + largeBucket // what JetStream keeps the bucket in
	// headerObject names the object that holds a message's payload.
	headerObject = "Stoker-Object"
	// headerRoom is what a message needs besides its payload, within the server's limit.
	headerRoom = 4 << 10
	// leastLarge is what objects and the stream of resources may have together, however small
	// the stream's limit is: room for the largest line as a chunk and as a batch.
	leastLarge = 1 << 30
)

// collectAfter is the age from which objects that no message names are removed. See [Collector]
// for why half of it matters.
const collectAfter = 10 * time.Second

// patience is how long a message may wait for an object that is not there, since its
// publisher may be about to put it again.
const patience = 10 * time.Minute

var errNoRoom = errors.New("no room for large payloads")

func (b *Bus) isLarge(payload []byte) bool {
	return int64(len(payload)) > b.nc.MaxPayload()-headerRoom
}

// largePayload is a payload in the object store.
type largePayload struct {
	name  string
	chunk bool
	data  []byte
	since time.Time // when it was known last to be there, and young
}

// storeLarge moves the payload of a message to the object store under its content's name, as
// soon as there is room. Storing it twice is harmless.
func (b *Bus) storeLarge(ctx context.Context, msg *nats.Msg) (*largePayload, error) {
	sum := sha256.Sum256(msg.Data)
	large := &largePayload{
		name: hex.EncodeToString(sum[:]), chunk: strings.HasPrefix(msg.Subject, fhirmsg.SubjectChunk+"."), data: msg.Data,
	}
	err := b.untilStored(ctx, func(ctx context.Context) error { return b.putNew(ctx, large) })
	if err != nil {
		return nil, err
	}
	msg.Data = nil
	msg.Header.Set(headerObject, large.name)
	return large, nil
}

// keepLarge is called once the message that names an object is stored. If that took so long
// that the object may have been collected in between, it is put again.
func (b *Bus) keepLarge(ctx context.Context, large *largePayload) error {
	if time.Since(large.since) < b.collectAfter/2 {
		return nil
	}
	return b.untilStored(ctx, func(ctx context.Context) error { return b.put(ctx, large) })
}

func (b *Bus) untilStored(ctx context.Context, store func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := store(ctx)
		if err == nil {
			return nil
		}
		if attempt == 5 {
			b.log.Warn().Err(err).Msg("cannot store a large payload, waiting")
		}
		if err := backOff(ctx, attempt); err != nil {
			return fmt.Errorf("store a large payload: %w", err)
		}
	}
}

// putNew puts an object unless it is there and young. One after the other, so that no more than
// one object of a process passes the limit.
func (b *Bus) putNew(ctx context.Context, large *largePayload) error {
	b.largeMu.Lock()
	defer b.largeMu.Unlock()
	start := time.Now()
	stream, err := b.js.Stream(ctx, largeStream)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	object, err := b.lastObject(ctx, metaSubject(large.name))
	if err == nil && object.Size == uint64(len(large.data)) && info.TimeStamp.Sub(object.at) < b.collectAfter/2 {
		large.since = start.Add(-info.TimeStamp.Sub(object.at))
		return nil
	}
	if err := b.roomForLarge(ctx, stream, large); err != nil {
		return err
	}
	return b.put(ctx, large)
}

func (b *Bus) put(ctx context.Context, large *largePayload) error {
	since, err := b.putObject(ctx, large.name, newNUID(large.name, large.chunk), large.data)
	if err != nil {
		return err
	}
	large.since = since
	return nil
}

// roomForLarge holds objects to the limit of the stream of resources, in which they count.
// Chunks have a quarter of it at most: a parser needs room for what is in them before they go.
// What is kept of others is nothing to them, or none would pass any more where that is much.
func (b *Bus) roomForLarge(ctx context.Context, objects jetstream.Stream, large *largePayload) error {
	resources, err := b.js.Stream(ctx, fhirmsg.StreamResources)
	if err != nil {
		return err
	}
	limit := b.largeLimit(resources.CachedInfo())
	used := int64(objects.CachedInfo().State.Bytes + resources.CachedInfo().State.Bytes)
	if large.chunk {
		limit /= 4
		if used, err = b.chunkBytes(ctx, objects); err != nil {
			return err
		}
	}
	if used+int64(len(large.data)) > limit {
		return errNoRoom
	}
	return nil
}

// largeLimit is what the stream of resources and the object store may have together.
func (b *Bus) largeLimit(resources *jetstream.StreamInfo) int64 {
	if resources.Config.MaxBytes <= 0 {
		return math.MaxInt64
	}
	return max(resources.Config.MaxBytes, b.leastLarge)
}

// payload returns a message's payload, from the object store where it is there.
func (b *Bus) payload(ctx context.Context, msg jetstream.Msg) ([]byte, error) {
	name := msg.Headers().Get(headerObject)
	if name == "" {
		return msg.Data(), nil
	}
	data, err := b.getObject(ctx, name)
	if errors.Is(err, errNoObject) {
		if meta, metaErr := msg.Metadata(); metaErr == nil && time.Since(meta.Timestamp) >= patience {
			return nil, Permanent(err)
		}
	}
	return data, err
}
