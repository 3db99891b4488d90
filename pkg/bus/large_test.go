package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// large is a payload that no message can hold.
func large(b byte) []byte { return bytes.Repeat([]byte{b}, 2<<20) }

// TestLargePayload: what is over the server's limit arrives whole.
func TestLargePayload(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	want := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "large", want); err != nil {
		t.Fatal(err)
	}
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		if !bytes.Equal(messages[0].Data, want) {
			t.Errorf("got %d bytes, want %d", len(messages[0].Data), len(want))
		}
		stop()
		return nil
	})
}

// TestLargePayloadsComeAlone: of payloads that are over the server's limit one is in memory at a time, whatever waits.
func TestLargePayloadsComeAlone(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	for i, payload := range [][]byte{[]byte("s"), large('l'), []byte("m"), large('k')} {
		if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), fmt.Sprint(i), payload); err != nil {
			t.Fatal(err)
		}
	}
	opts := chunks()
	b.untilCounted(t, opts, 4)
	opts.More = func(Message) int { return 3 }
	var groups []string
	left := 4
	consume(t, b, opts, func(_ context.Context, messages []Message, stop func()) error {
		var group []byte
		for _, m := range messages {
			group = append(group, m.Data[0])
		}
		groups = append(groups, string(group))
		if left -= len(messages); left == 0 {
			stop()
		}
		return nil
	})
	slices.Sort(groups)
	if !slices.Equal(groups, []string{"k", "l", "sm"}) {
		t.Errorf("groups %q; want the large ones alone, and the small ones together", groups)
	}
}

// TestChunksBesideWhatIsKept: chunks have their share of the object store, however much of it messages have that are kept, as those of
// resources and rejects; and no more than that.
func TestChunksBesideWhatIsKept(t *testing.T) {
	t.Parallel()
	const limit = 24 << 20
	b := newBus(t, Limits{fhirmsg.StreamResources: limit})
	b.leastLarge, b.collectAfter = limit, 0
	for i := range byte(8) { // two thirds of the limit, and far more than a quarter
		if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), fmt.Sprint(i), large(i)); err != nil {
			t.Fatal(err)
		}
	}
	put := func(content byte) error {
		t.Helper()
		return b.putNew(t.Context(), &largePayload{name: fmt.Sprint("chunk-", content), chunk: true, data: large(content)})
	}
	for content := range byte(2) {
		if err := put(content); err != nil {
			t.Errorf("chunk %d: %v", content, err)
		}
	}
	if err := put(2); !errors.Is(err, errNoRoom) {
		t.Errorf("a third chunk: %v; want that there is no room", err)
	}
	batch := &nats.Msg{Subject: fhirmsg.ResourceSubject("fhir", "Patient"), Data: large('r'), Header: nats.Header{}}
	if _, err := b.storeLarge(t.Context(), batch); err != nil {
		t.Errorf("a batch, for which there is room: %v", err)
	}
	wantCollected(t, b.NewCollector(), "nobody names the chunks, nor the batch", 3)
	if err := put(2); err != nil {
		t.Errorf("once the others are gone: %v", err)
	}
}
