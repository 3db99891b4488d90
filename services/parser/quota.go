package parser

import (
	"context"
	"sync"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// quota keeps a resource type whose writers are paused, or slow, from filling the stream of
// resources for all types (invariant 4): of one type, no more than a share of the stream may
// wait to be stored. What the writers acknowledged does not count, since it can be trimmed.
//
// JetStream does not count bytes by subject. What waits of a type is the number of messages that
// its consumer has not acknowledged, times the mean size of those that this process
// published. The number is asked for only after a sixteenth of the quota was published, so
// that it costs nothing while all is well; so many parsers may pass the quota together, by a sixteenth
// each. Something of a type always passes, however small the quota is.
type quota struct {
	share   float64
	backlog func(ctx context.Context, resourceType string) (bus.TypeBacklog, error)
	now     func() time.Time

	mu    sync.Mutex
	types map[string]*typeUse
}

// typeUse is what is known of one type. Sizes are in bytes.
type typeUse struct {
	messages, bytes int64 // published by this process
	left            int64 // may be published before the backlog is asked for again
	over            bool  // at the last look
	looked          time.Time
}

// lookEvery is how long it is believed that a type is over its quota.
const lookEvery = 500 * time.Millisecond

func newQuota(percent int, b *bus.Bus) *quota {
	return &quota{share: float64(percent) / 100, backlog: b.TypeBacklog, now: time.Now, types: map[string]*typeUse{}}
}

// full reports whether too much of a type waits already.
func (q *quota) full(ctx context.Context, resourceType string) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.use(resourceType)
	if u.left > 0 || u.over && q.now().Sub(u.looked) < lookEvery {
		return u.over, nil
	}
	b, err := q.backlog(ctx, resourceType)
	if err != nil {
		return false, err
	}
	average := b.Average
	if u.messages > 0 {
		average = u.bytes / u.messages
	}
	limit := int64(q.share * float64(b.Limit))
	u.looked = q.now()
	u.over = b.Limit > 0 && b.Messages > 0 && int64(b.Messages)*average >= limit
	if !u.over {
		u.left = max(limit/16, 1)
	}
	return u.over, nil
}

// published counts a message.
func (q *quota) published(resourceType string, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.use(resourceType)
	u.messages++
	u.bytes += int64(bytes)
	u.left -= int64(bytes)
}

func (q *quota) use(resourceType string) *typeUse {
	u := q.types[resourceType]
	if u == nil {
		u = &typeUse{}
		q.types[resourceType] = u
	}
	return u
}

// held remembers which chunks wait for which types, so that they are handed back at once when
// they come again, and only what is missing of them is published in the end. Chunks are known
// by the hash of their message. It is a hint: without it a chunk is parsed again, and what is
// published twice changes nothing (invariant 2).
type held struct {
	mu     sync.Mutex
	chunks map[fhirmsg.Hash][]string
}

// maxHeld is more than JetStream has delivered and not acknowledged at any time.
const maxHeld = 1 << 14

func newHeld() *held { return &held{chunks: map[fhirmsg.Hash][]string{}} }

// types returns what a chunk waits for, or nil. Only what was delivered before can have waited.
func (h *held) types(msg bus.Message) []string {
	if msg.Delivery < 2 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.chunks) == 0 {
		return nil
	}
	return h.chunks[fhirmsg.HashOf(msg.Data)]
}

func (h *held) add(msg bus.Message, types []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.chunks) >= maxHeld {
		clear(h.chunks) // of chunks that others finished
	}
	h.chunks[fhirmsg.HashOf(msg.Data)] = types
}

func (h *held) remove(msg bus.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.chunks) > 0 {
		delete(h.chunks, fhirmsg.HashOf(msg.Data))
	}
}

// delay is how long a chunk waits before it comes again: longer each time, since a chunk that is
// delivered crosses the network, and no longer than one is ready to wait after a resumption.
func delay(delivery uint64) time.Duration {
	const longest = 30 * time.Second
	if delivery > 4 {
		return longest
	}
	return min(2*time.Second<<(delivery-min(delivery, 1)), longest)
}
