package bus

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// consumeChunks runs ConsumeChunks until stop, and fails the test when that takes too long.
func consumeChunks(t *testing.T, b *Bus, workers int, handle func(msg Message, stop func()) error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	b.ConsumeChunks(ctx, ConsumeOptions{Workers: workers, Grace: 5 * time.Second}, func(_ context.Context, messages []Message) error {
		return handle(messages[0], stop)
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Error("the consumer did not come to its end")
	}
}

func (b *Bus) publishChunks(t *testing.T, supplier string, n int) {
	t.Helper()
	for i := range n {
		if err := b.Publish(t.Context(), fhirmsg.ChunkSubject(supplier), fmt.Sprint(supplier, i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// delivered waits until so many chunks of a supplier were given out.
func (b *Bus) delivered(t *testing.T, supplier string, n uint64) {
	t.Helper()
	c := fhirmsg.SupplierConsumer(supplier)
	until(t, "a chunk in line", func() bool {
		consumer, err := b.js.Consumer(t.Context(), c.Stream, c.Name)
		return err == nil && consumer.CachedInfo().Delivered.Consumer >= n
	})
}

// TestSuppliersInTurn: however much one supplier has waiting, what another one delivers after it
// comes in turn with it.
func TestSuppliersInTurn(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	b.publishChunks(t, "large", 50)
	var order []string
	served := map[string]uint64{}
	consumeChunks(t, b, 1, func(msg Message, stop func()) error {
		if len(order) == 0 {
			b.publishChunks(t, "small", 3)
		}
		supplier := strings.TrimPrefix(msg.Subject, fhirmsg.SubjectChunk+".")
		order = append(order, supplier)
		if served[supplier]++; served["small"] == 3 || len(order) == 50 {
			stop()
			return nil
		}
		b.delivered(t, "large", served["large"]+1) // each has one in line
		b.delivered(t, "small", served["small"]+1)
		return nil
	})
	if served["small"] != 3 || served["large"] > 6 {
		t.Errorf("served in the order %v", order)
	}
}

// TestChunksOfAnOlderTopology: what was published, and what is in the hand of a parser, when one
// consumer served all suppliers, is served, and none of it is left.
func TestChunksOfAnOlderTopology(t *testing.T) {
	t.Parallel()
	nc, err := natstest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	b, err := New(nc, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range fhirmsg.Streams() {
		s.Subjects = s.Subjects[:1] // of requests too there was one
		if err := b.applyStream(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	old, err := b.js.CreateConsumer(t.Context(), fhirmsg.StreamChunks, consumerConfig(fhirmsg.Consumer{
		Name: fhirmsg.ConsumerParser, Filter: fhirmsg.ChunkSubject("*"), AckWait: fhirmsg.AckWait,
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.publishChunks(t, "a", 3)
	b.publishChunks(t, "b", 3)
	inHand, err := old.Next()
	if err != nil {
		t.Fatal(err)
	}
	of, err := inHand.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), []string{"Patient"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), fhirmsg.FetchSubject("a"), "1", []byte("x")); err != nil {
		t.Error(err)
	}
	var mu sync.Mutex // of two workers
	seen := map[uint64]bool{}
	consumeChunks(t, b, 2, func(msg Message, stop func()) error {
		mu.Lock()
		defer mu.Unlock()
		if msg.Sequence == of.Sequence.Stream {
			_ = inHand.Ack() // by the older parser, after a newer one has the chunk too
		}
		if seen[msg.Sequence] = true; len(seen) == 6 {
			stop()
		}
		return nil
	})
	if len(seen) != 6 {
		t.Errorf("%d chunks were served, want 6", len(seen))
	}
	until(t, "the acknowledgements", func() bool { return b.waiting(t, fhirmsg.StreamChunks) == 0 })
	if _, err := old.Next(jetstream.FetchMaxWait(100 * time.Millisecond)); err == nil {
		t.Error("the older consumer was given something")
	}
}

// TestIdleSuppliers: a supplier that has nothing is not served any more, and is again when it
// has something, whether its consumer is still there or not.
func TestIdleSuppliers(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	unit, cancel := lifecycle.Unit(ctx, time.Second)
	defer cancel()
	served := make(chan Message, 1)
	turns := newTurns(unit, b, ConsumeOptions{Stream: fhirmsg.StreamChunks, Workers: 1}, func(_ context.Context, messages []Message) error {
		served <- messages[0]
		return nil
	})
	turns.idle = 200 * time.Millisecond
	done := make(chan struct{})
	go func() { defer close(done); turns.run(ctx) }()
	for _, id := range []string{"first", "second", "third"} {
		if err := b.Publish(ctx, fhirmsg.ChunkSubject("s"), id, []byte("x")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-served:
		case <-ctx.Done():
			t.Fatalf("the %s chunk was not served", id)
		}
		until(t, "the end of being served", func() bool {
			turns.mu.Lock()
			defer turns.mu.Unlock()
			return len(turns.served) == 0
		})
		if id == "first" { // as the server does after a while
			if err := b.js.DeleteConsumer(ctx, fhirmsg.StreamChunks, fhirmsg.SupplierConsumer("s").Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	<-done
}
