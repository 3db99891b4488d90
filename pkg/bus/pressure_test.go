package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestLaterLetsOthersPass: a message that is handed back comes again, after those behind it.
func TestLaterLetsOthersPass(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	for _, id := range []string{"first", "second"} {
		if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), id, []byte(id)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		msg := messages[0]
		got = append(got, fmt.Sprint(string(msg.Data), msg.Delivery))
		if string(msg.Data) == "first" && msg.Delivery == 1 {
			return Later("not now", 500*time.Millisecond)
		}
		if len(got) == 3 {
			stop()
		}
		return nil
	})
	if want := "[first1 second1 first2]"; fmt.Sprint(got) != want {
		t.Errorf("delivered %v, want %s", got, want)
	}
	b.untilNoneWaits(t, fhirmsg.StreamChunks)
}

// TestPauseType: a paused type is not delivered and the others are, until it is resumed.
func TestPauseType(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	types := []string{"Patient", "Observation"}
	if err := b.PauseType(t.Context(), "Observation", 0); err != nil {
		t.Fatal(err)
	}
	for _, typ := range types {
		if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", typ), typ, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(typ string, n *atomic.Int32) (stopped func()) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Consume(ctx, ConsumeOptions{Stream: fhirmsg.StreamResources, Consumer: fhirmsg.WriterConsumer(typ)},
				func(context.Context, []Message) error { n.Add(1); return nil })
		}()
		return func() { stop(); <-done }
	}
	var observations, patients atomic.Int32
	defer read("Observation", &observations)()
	defer read("Patient", &patients)()
	until(t, "the Patient", func() bool { return patients.Load() == 1 })
	p, err := b.Pressure(t.Context(), types)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Paused) != 1 || p.Paused[0].Type != "Observation" || p.Paused[0].Waiting != 1 || !p.Paused[0].Until.IsZero() || len(p.Full) != 0 {
		t.Errorf("pressure %+v, want one Observation waiting, paused for ever", p)
	}
	backlog, err := b.TypeBacklog(t.Context(), "Observation")
	if err != nil {
		t.Fatal(err)
	}
	if backlog.Messages != 1 || backlog.Average < 1000 || backlog.Average > 2000 || observations.Load() != 0 {
		t.Errorf("backlog %+v, %d delivered; want one message of a good 1000 bytes, none delivered", backlog, observations.Load())
	}
	if err := b.ResumeType(t.Context(), "Observation"); err != nil {
		t.Fatal(err)
	}
	until(t, "the Observation", func() bool { return observations.Load() == 1 })
}

// TestTrimPastAPausedType: where the oldest part of the stream is all of a type that is not
// stored, the stored messages behind it go.
func TestTrimPastAPausedType(t *testing.T) {
	t.Parallel()
	b := newBus(t, Limits{fhirmsg.StreamResources: 1 << 20})
	for i, typ := range []string{"Observation", "Patient"} {
		for n := range 7 {
			if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", typ), fmt.Sprint(i, n), make([]byte, 70<<10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var patients atomic.Int32
	consume(t, b, ConsumeOptions{Stream: fhirmsg.StreamResources, Consumer: fhirmsg.WriterConsumer("Patient"), Grace: time.Second},
		func(_ context.Context, _ []Message, stop func()) error {
			if patients.Add(1) == 7 {
				stop()
			}
			return nil
		})
	b.untilAcked(t, "Patient")
	if _, err := b.Trim(t.Context(), fhirmsg.StreamResources, []string{"Patient", "Observation"}, 0); err != nil {
		t.Fatal(err)
	}
	if left := b.waiting(t, fhirmsg.StreamResources); left < 7 || left > 11 {
		t.Errorf("%d messages left, want the 7 that wait and few others", left)
	}
}

// until waits for what must come to pass.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-ticker.C
	}
}

// untilNoneWaits waits until the server has removed all that was acknowledged, and there is nothing else.
func (b *Bus) untilNoneWaits(t *testing.T, stream string) {
	t.Helper()
	until(t, "an empty stream "+stream, func() bool { return b.waiting(t, stream) == 0 })
}

// untilCounted waits until the server has counted n messages that a consumer may have, which is a little after they
// were stored. Until then it says that none wait, so that groups are of one.
func (b *Bus) untilCounted(t *testing.T, opts ConsumeOptions, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d messages of %s", n, opts.Consumer), func() bool {
		consumer, err := b.js.Consumer(t.Context(), opts.Stream, opts.Consumer)
		return err == nil && consumer.CachedInfo().NumPending == uint64(n)
	})
}

// untilAcked waits until the server has counted the acknowledgements of all there is of a type, which
// is a little after they were sent.
func (b *Bus) untilAcked(t *testing.T, resourceType string) {
	t.Helper()
	until(t, "the acknowledgements", func() bool {
		consumer, err := b.js.Consumer(t.Context(), fhirmsg.StreamResources, fhirmsg.WriterConsumer(resourceType))
		return err == nil && consumer.CachedInfo().NumPending == 0 && consumer.CachedInfo().NumAckPending == 0
	})
}
