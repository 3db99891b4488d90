package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// objects is how many objects the store has.
func (b *Bus) objects(t *testing.T) int {
	t.Helper()
	store, err := b.js.ObjectStore(t.Context(), largeBucket)
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.List(t.Context())
	if err != nil && len(list) > 0 {
		t.Fatal(err)
	}
	return len(list)
}

func wantCollected(t *testing.T, c *Collector, what string, want int) {
	t.Helper()
	got, err := c.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%s: %d objects removed, want %d", what, got, want)
	}
}

// TestCollect: an object goes when the last message that names it is gone, and no earlier.
func TestCollect(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	b.collectAfter = 0
	c := b.NewCollector()
	wantCollected(t, c, "nothing there", 0)
	publish := func(subject, id string, payload []byte) {
		t.Helper()
		if err := b.Publish(t.Context(), subject, id, payload); err != nil {
			t.Fatal(err)
		}
	}
	orphan := &nats.Msg{Subject: fhirmsg.ChunkSubject("a"), Data: large('o'), Header: nats.Header{}}
	if _, err := b.storeLarge(t.Context(), orphan); err != nil {
		t.Fatal(err)
	}
	publish(fhirmsg.ResourceSubject("fhir", "Patient"), "small", []byte("small"))
	publish(fhirmsg.ChunkSubject("a"), "chunk", large('c'))
	publish(fhirmsg.ChunkSubject("a"), "poison", large('p'))
	publish(fhirmsg.ResourceSubject("fhir", "Patient"), "batch", large('r'))
	publish(fhirmsg.ResourceSubject("fhir", "Patient"), "the same content", large('r'))
	wantCollected(t, c, "put and never named", 1)
	wantCollected(t, c, "all named", 0)
	n := 0
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		if n++; n == 2 {
			defer stop()
		}
		if messages[0].Data[0] == 'p' {
			return Permanent(errors.New("it is poison"))
		}
		return nil
	})
	b.untilNoneWaits(t, fhirmsg.StreamChunks)
	wantCollected(t, c, "acknowledged, and named by a dead letter", 1)
	if err := b.Purge(t.Context(), fhirmsg.StreamDead); err != nil {
		t.Fatal(err)
	}
	wantCollected(t, b.NewCollector(), "the dead letter removed", 1)
	if err := b.Purge(t.Context(), fhirmsg.StreamResources); err != nil {
		t.Fatal(err)
	}
	wantCollected(t, c, "trimmed", 1)
	stream, err := b.js.Stream(t.Context(), largeStream)
	if err != nil {
		t.Fatal(err)
	}
	if left := stream.CachedInfo().State.Msgs; left != 0 {
		t.Errorf("%d parts of objects are left", left)
	}
}

// TestCollectSweeps: parts that a process left that ended while it put an object go, and those of objects stay.
func TestCollectSweeps(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	c := b.NewCollector()
	if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), "batch", large('r')); err != nil {
		t.Fatal(err)
	}
	left := partPrefix + newNUID("left", true)
	for range 2 {
		if err := b.publishOnce(t.Context(), &nats.Msg{Subject: left, Data: []byte("a part")}); err != nil {
			t.Fatal(err)
		}
	}
	parts := func(subject string) (n uint64) {
		t.Helper()
		stream, err := b.js.Stream(t.Context(), largeStream)
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(subject))
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range info.State.Subjects {
			n += of
		}
		return n
	}
	all := parts(partPrefix + ">")
	wantCollected(t, c, "what is being put", 0)
	if n := parts(left); n != 2 {
		t.Errorf("%d parts of an object that may be about to be whole, want 2", n)
	}
	b.collectAfter = 0
	wantCollected(t, c, "what was left", 0)
	if n := parts(left); n != 0 || parts(partPrefix+">") != all-2 {
		t.Errorf("%d parts of no object, and %d in all of %d; want those of the object", n, parts(partPrefix+">"), all)
	}
}

// TestCollectSparesTheNewRevision: what was put again after it was listed stays.
func TestCollectSparesTheNewRevision(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	b.collectAfter = 0
	msg := func() *nats.Msg {
		return &nats.Msg{Subject: fhirmsg.ChunkSubject("a"), Data: large('c'), Header: nats.Header{}}
	}
	stored, err := b.storeLarge(t.Context(), msg())
	if err != nil {
		t.Fatal(err)
	}
	stream, err := b.js.Stream(t.Context(), largeStream)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := b.lastObject(t.Context(), metaSubject(stored.name))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "chunk", large('c')); err != nil {
		t.Fatal(err)
	}
	if err := remove(t.Context(), stream, listed); err != nil {
		t.Fatal(err)
	}
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		defer stop()
		if !bytes.Equal(messages[0].Data, large('c')) {
			t.Errorf("got %d bytes", len(messages[0].Data))
		}
		return nil
	})
}

// TestCollectedWhileItsPublisherWaits: a publisher that waits for a full queue until its object
// is gone puts it again.
func TestCollectedWhileItsPublisherWaits(t *testing.T) {
	t.Parallel()
	b := newBus(t, Limits{fhirmsg.StreamChunks: 256 << 10})
	b.collectAfter = 0
	filler := make([]byte, 200<<10)
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "filler", filler); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // until not even an empty message is taken
		msg := &nats.Msg{Subject: fhirmsg.ChunkSubject("a"), Data: make([]byte, 4<<10>>min(i/4, 12)), Header: nats.Header{}}
		msg.Header.Set(nats.MsgIdHdr, fmt.Sprint("filler", i))
		if err := b.publishOnce(t.Context(), msg); err != nil && i > 60 {
			break
		}
	}
	done := make(chan error, 1)
	go func() { done <- b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "chunk", large('c')) }()
	end := time.Now().Add(time.Minute)
	for b.objects(t) == 0 && time.Now().Before(end) {
	}
	wantCollected(t, b.NewCollector(), "while it waits", 1)
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		if len(messages[0].Data) < 1<<20 {
			return nil
		}
		defer stop()
		if !bytes.Equal(messages[0].Data, large('c')) {
			t.Errorf("got %d bytes", len(messages[0].Data))
		}
		return nil
	})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestCollectRelieves: of rejects that keep too much in objects the oldest go, once they are recorded, and no others;
// what other messages keep is nothing to them.
func TestCollectRelieves(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	b.collectAfter = 0
	c := b.NewCollector()
	publish := func(subject string, payload []byte) {
		t.Helper()
		if err := b.Publish(t.Context(), subject, string(payload[:1]), payload); err != nil {
			t.Fatal(err)
		}
	}
	resources, rejects := fhirmsg.ResourceSubject("fhir", "Patient"), fhirmsg.RejectSubject("a")
	for _, payload := range [][]byte{large('r'), large('s'), large('t')} {
		publish(resources, payload)
	}
	payloads := [][]byte{[]byte("1"), large('2'), []byte("3"), large('4'), []byte("5"), large('6'), []byte("7")}
	for _, payload := range payloads {
		publish(rejects, payload)
	}
	stream, err := b.js.Stream(t.Context(), largeStream)
	if err != nil {
		t.Fatal(err)
	}
	relieve := func(what string, most int64, first uint64) {
		t.Helper()
		wantCollected(t, c, what, 0)
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		if err != nil {
			t.Fatal(err)
		}
		objects, _, err := c.objects(t.Context(), stream, info)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.relieve(t.Context(), objects, most); err != nil {
			t.Fatal(err)
		}
		if got, err := b.WholeFrom(t.Context(), fhirmsg.StreamRejects); err != nil || got != first {
			t.Errorf("%s: rejects are kept from %d on, %v; want %d", what, got, err, first)
		}
	}
	relieve("nothing is recorded", 0, 1)
	left := len(payloads)
	consume(t, b, ConsumeOptions{Stream: fhirmsg.StreamRejects, Consumer: fhirmsg.ConsumerRejects, Grace: time.Second},
		func(_ context.Context, _ []Message, stop func()) error {
			if left--; left == 0 {
				stop()
			}
			return nil
		})
	until(t, "the acknowledgements", func() bool {
		backlog, err := b.Backlog(t.Context(), fhirmsg.StreamRejects)
		return err == nil && backlog[fhirmsg.ConsumerRejects] == 0
	})
	relieve("all have room", 6<<20, 1)
	relieve("two have room", 6<<20-1, 3)
	wantCollected(t, c, "the object of the first", 1)
	relieve("two have room, still", 4<<20, 3)
	relieve("one has room", 2<<20, 5)
}

// TestCollectRemembers: a message names its object also after that was gone for a while, as until its publisher puts it again.
func TestCollectRemembers(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	b.collectAfter = 0
	c := b.NewCollector()
	msg := func(content byte) *nats.Msg {
		return &nats.Msg{Subject: fhirmsg.ResourceSubject("fhir", "Patient"), Data: large(content), Header: nats.Header{}}
	}
	named := msg('n')
	object, err := b.storeLarge(t.Context(), named)
	if err != nil {
		t.Fatal(err)
	}
	wantCollected(t, c, "before its message is stored", 1)
	if err := b.publishOnce(t.Context(), named); err != nil {
		t.Fatal(err)
	}
	if _, err := b.storeLarge(t.Context(), msg('o')); err != nil {
		t.Fatal(err)
	}
	wantCollected(t, c, "another one, while the first is gone", 1)
	wantCollected(t, c, "nothing there", 0)
	if err := b.put(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	wantCollected(t, c, "put again", 0)
	if err := b.Purge(t.Context(), fhirmsg.StreamResources); err != nil {
		t.Fatal(err)
	}
	wantCollected(t, b.NewCollector(), "by another collector", 1)
	wantCollected(t, c, "nothing there", 0)
	if len(c.named) != 0 {
		t.Errorf("%d objects are remembered that are not there", len(c.named))
	}
}
