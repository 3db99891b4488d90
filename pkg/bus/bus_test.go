package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

func newBus(t *testing.T, limits Limits) *Bus {
	t.Helper()
	nc, err := natstest.New(t).Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	b, err := New(nc, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), []string{"Patient", "Observation"}, limits); err != nil {
		t.Fatal(err)
	}
	chunks := fhirmsg.SupplierConsumer("a")
	if _, err := b.js.CreateConsumer(t.Context(), chunks.Stream, consumerConfig(chunks)); err != nil {
		t.Fatal(err)
	}
	return b
}

// consume runs a consumer until stop says so, and fails the test when that takes too long.
func consume(t *testing.T, b *Bus, opts ConsumeOptions, handle func(ctx context.Context, messages []Message, stop func()) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Consume(ctx, opts, func(ctx context.Context, messages []Message) error { return handle(ctx, messages, stop) })
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("the consumer did not come to its end")
	}
}

// chunks are those of supplier a.
func chunks() ConsumeOptions {
	return ConsumeOptions{Stream: fhirmsg.StreamChunks, Consumer: fhirmsg.SupplierConsumer("a").Name, Grace: 5 * time.Second}
}

func (b *Bus) waiting(t *testing.T, stream string) uint64 {
	t.Helper()
	s, err := b.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBus(t, Limits{fhirmsg.StreamResources: 32 << 20})
	if err := b.Apply(t.Context(), []string{"Patient", "Observation"}, nil); err != nil {
		t.Fatal(err)
	}
	s, err := b.js.Stream(t.Context(), fhirmsg.StreamResources)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().Config.MaxBytes; got != 32<<20 {
		t.Errorf("size of RESOURCES = %d after an Apply without limits, want what was set", got)
	}
}

// TestApplyLetsRequestsWait: any number of requests may be handed back, also at consumers that an older version made.
func TestApplyLetsRequestsWait(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	consumers := map[string]string{fhirmsg.StreamFetch: fhirmsg.ConsumerFetcher, fhirmsg.StreamOperator: fhirmsg.ConsumerOperator}
	for stream, name := range consumers {
		c, err := b.js.Consumer(t.Context(), stream, name)
		if err != nil {
			t.Fatal(err)
		}
		older := c.CachedInfo().Config
		if older.MaxAckPending != -1 {
			t.Errorf("%s: at most %d are handed back", name, older.MaxAckPending)
		}
		older.MaxAckPending = 4096
		if _, err := b.js.UpdateConsumer(t.Context(), stream, older); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Apply(t.Context(), []string{"Patient", "Observation"}, nil); err != nil {
		t.Fatal(err)
	}
	for stream, name := range consumers {
		c, err := b.js.Consumer(t.Context(), stream, name)
		if err != nil {
			t.Fatal(err)
		}
		if n := c.CachedInfo().Config.MaxAckPending; n != -1 {
			t.Errorf("%s of an older version: at most %d are handed back", name, n)
		}
	}
}

// TestApplyTogether: services that start together end with the size that one of them is set to.
func TestApplyTogether(t *testing.T) {
	t.Parallel()
	for range 5 {
		nc, err := natstest.New(t).Connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		b, err := New(nc, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		var group errgroup.Group
		for _, limits := range []Limits{nil, {fhirmsg.StreamResources: 32 << 20}, nil, nil} {
			group.Go(func() error { return b.Apply(t.Context(), []string{"Patient"}, limits) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		s, err := b.js.Stream(t.Context(), fhirmsg.StreamResources)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().Config.MaxBytes; got != 32<<20 {
			t.Errorf("size of RESOURCES = %d, want what one of them is set to", got)
		}
	}
}

func TestRepeatedMessageIsDropped(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	for range 3 {
		if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "same", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.waiting(t, fhirmsg.StreamChunks); got != 1 {
		t.Errorf("%d messages, want 1", got)
	}
}

func TestRetryHoldsTheMessage(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		if calls.Add(1) < 3 {
			return errors.New("the database is away")
		}
		stop()
		return nil
	})
	b.untilNoneWaits(t, fhirmsg.StreamChunks)
	if calls.Load() != 3 {
		t.Errorf("%d calls, want 3", calls.Load())
	}
}

func TestPermanentGoesToTheDeadLetters(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "2", []byte("y")); err != nil {
		t.Fatal(err)
	}
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		if string(messages[0].Data) == "x" {
			return Permanent(errors.New("cannot be read" + strings.Repeat("ä", 1<<20)))
		}
		stop()
		return nil
	})
	b.untilNoneWaits(t, fhirmsg.StreamChunks)
	s, err := b.js.Stream(t.Context(), fhirmsg.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := s.GetLastMsgForSubject(t.Context(), fhirmsg.DeadSubject(fhirmsg.StreamChunks))
	if err != nil {
		t.Fatal(err)
	}
	if got := msg.Header.Get(fhirmsg.HeaderReason); !strings.HasPrefix(got, "cannot be read") || len(got) > maxReason+3 || !utf8.ValidString(got) || string(msg.Data) != "x" {
		t.Errorf("dead letter %q with reason %.100q of %d bytes", msg.Data, got, len(got))
	}
}

// TestPermanentIsOfOne: what cannot be read takes none of its group with it to the dead letters.
func TestPermanentIsOfOne(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	const unreadable = "unreadable"
	all := []string{"first", unreadable, "second", "third"}
	for i, payload := range all {
		if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), fmt.Sprint(i), []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	opts := chunks()
	b.untilCounted(t, opts, len(all))
	opts.More = func(Message) int { return len(all) - 1 }
	handled, left := map[string]bool{}, len(all)
	largest := 0
	consume(t, b, opts, func(_ context.Context, messages []Message, stop func()) error {
		largest = max(largest, len(messages))
		for _, m := range messages {
			if string(m.Data) == unreadable {
				if len(messages) == 1 {
					left--
				}
				return Permanent(errors.New("cannot be read"))
			}
		}
		for _, m := range messages {
			handled[string(m.Data)] = true
		}
		if left -= len(messages); left == 0 {
			stop()
		}
		return nil
	})
	b.untilNoneWaits(t, fhirmsg.StreamChunks)
	if largest < 2 || len(handled) != len(all)-1 || b.waiting(t, fhirmsg.StreamDead) != 1 {
		t.Errorf("of a group of %d, %v were handled, and %d are dead letters", largest, slices.Collect(maps.Keys(handled)), b.waiting(t, fhirmsg.StreamDead))
	}
}

// TestDeadRequests: of a supplier's own requests that cannot be read no more than so many are kept, the newest, and of
// none more than so much; those of others stay.
func TestDeadRequests(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	publish := func(supplier, id string) {
		t.Helper()
		payload := append([]byte(id), make([]byte, 2*maxDeadRequest)...)
		if err := b.Publish(t.Context(), fhirmsg.SupplierFetchSubject(supplier), supplier+id, payload); err != nil {
			t.Fatal(err)
		}
	}
	publish("b", "00")
	for i := range 2 * deadRequests {
		publish("a", fmt.Sprintf("%02d", i))
	}
	n := 0
	consume(t, b, ConsumeOptions{Stream: fhirmsg.StreamFetch, Consumer: fhirmsg.ConsumerFetcher, Grace: 5 * time.Second}, func(_ context.Context, _ []Message, stop func()) error {
		if n++; n == 1+2*deadRequests {
			stop()
		}
		return Permanent(errors.New("cannot be read"))
	})
	s, err := b.js.Stream(t.Context(), fhirmsg.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint64{fhirmsg.DeadRequestSubject("a"): deadRequests, fhirmsg.DeadRequestSubject("b"): 1}
	if !maps.Equal(info.State.Subjects, want) || info.State.Bytes > (deadRequests+1)*(maxDeadRequest+1000) {
		t.Errorf("%v of %d bytes; want %v", info.State.Subjects, info.State.Bytes, want)
	}
	last, err := s.GetLastMsgForSubject(t.Context(), fhirmsg.DeadRequestSubject("a"))
	if err != nil || string(last.Data[:2]) != fmt.Sprint(2*deadRequests-1) || last.Header.Get(fhirmsg.HeaderReason) != "cannot be read" {
		t.Errorf("the last one is %.2q, %v", last.Data, err)
	}
}

// TestStopHandsBack: a message whose handler fails while the process stops is there for the next.
func TestStopHandsBack(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), "1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	consume(t, b, chunks(), func(_ context.Context, _ []Message, stop func()) error {
		stop()
		return errors.New("not yet")
	})
	var got string
	consume(t, b, chunks(), func(_ context.Context, messages []Message, stop func()) error {
		got = string(messages[0].Data)
		stop()
		return nil
	})
	if got != "x" {
		t.Errorf("second consumer got %q", got)
	}
}

// TestRedeliveredComeAlone: what may have ended a process is not mixed with the innocent.
func TestRedeliveredComeAlone(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	for i := range 4 {
		if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), fmt.Sprint(i), []byte{byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
	}
	opts := chunks()
	opts.More = func(Message) int { return 10 }
	before := map[string]bool{} // delivered before; how many come together is up to the server
	consume(t, b, opts, func(_ context.Context, messages []Message, stop func()) error {
		for _, m := range messages {
			before[string(m.Data)] = true
		}
		stop()
		return errors.New("not yet")
	})
	seen := 0
	consume(t, b, opts, func(_ context.Context, messages []Message, stop func()) error {
		for _, m := range messages {
			if before[string(m.Data)] && len(messages) > 1 {
				t.Errorf("a message that was delivered before came with %d others", len(messages)-1)
			}
		}
		if seen += len(messages); seen == 4 {
			stop()
		}
		return nil
	})
}

// TestFullQueueWaits: a full stream slows the sender down and drops nothing (invariant 4).
func TestFullQueueWaits(t *testing.T) {
	t.Parallel()
	b := newBus(t, Limits{fhirmsg.StreamChunks: 1 << 20})
	const messages = 40
	published := make(chan error, 1)
	go func() {
		for i := range messages {
			if err := b.Publish(t.Context(), fhirmsg.ChunkSubject("a"), fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, 100<<10)); err != nil {
				published <- err
				return
			}
		}
		published <- nil
	}()
	var got atomic.Int32
	consume(t, b, chunks(), func(_ context.Context, _ []Message, stop func()) error {
		if got.Add(1) == messages {
			stop()
		}
		return nil
	})
	if err := <-published; err != nil {
		t.Fatal(err)
	}
}

// TestTrimKeepsWhatIsNotStored: only what the type's consumer acknowledged may go.
func TestTrimKeepsWhatIsNotStored(t *testing.T) {
	t.Parallel()
	b := newBus(t, Limits{fhirmsg.StreamResources: 1 << 20})
	types := []string{"Patient", "Observation"}
	for i := range 9 {
		for _, typ := range types[:1+i%2] {
			if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", typ), fmt.Sprint(typ, i), make([]byte, 70<<10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := b.waiting(t, fhirmsg.StreamResources)
	cut, err := b.Trim(t.Context(), fhirmsg.StreamResources, types, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.waiting(t, fhirmsg.StreamResources); got != before || cut {
		t.Fatalf("%d of %d messages left, cut %t, and none was acknowledged", got, before, cut)
	}
	var patients atomic.Int32
	consume(t, b, ConsumeOptions{Stream: fhirmsg.StreamResources, Consumer: fhirmsg.WriterConsumer("Patient"), Grace: time.Second},
		func(_ context.Context, _ []Message, stop func()) error {
			if patients.Add(1) == 9 {
				stop()
			}
			return nil
		})
	b.untilAcked(t, "Patient")
	if cut, err = b.Trim(t.Context(), fhirmsg.StreamResources, types, 0); err != nil || !cut {
		t.Fatalf("cut %t, error %v", cut, err)
	}
	left := map[string]int{}
	for _, typ := range types {
		if _, err := b.Scan(t.Context(), fhirmsg.StreamResources, fhirmsg.ResourceSubject("fhir", typ), func(Message) error {
			left[typ]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if left["Observation"] != 4 || left["Patient"] >= 9 {
		t.Errorf("left %v: want all 4 Observations, and fewer than 9 Patients", left)
	}
}

func TestConnectWaitsForTheServer(t *testing.T) {
	t.Parallel()
	nc, err := Connect("nats://127.0.0.1:1", "test", zerolog.Nop())
	if err != nil {
		t.Fatalf("a server that is not up yet: %v", err)
	}
	defer nc.Close()
	if nc.Status() == nats.CLOSED {
		t.Error("the connection was given up")
	}
}

// TestConnectNoticesAVanishedServer: within half a minute, by pings, or by what is not taken.
func TestConnectNoticesAVanishedServer(t *testing.T) {
	t.Parallel()
	nc, err := Connect("nats://127.0.0.1:1", "test", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const limit = 30 * time.Second
	o := nc.Opts
	if noticed := o.PingInterval * time.Duration(o.MaxPingsOut+1); o.PingInterval <= 0 || noticed > limit {
		t.Errorf("noticed by pings after %s, want at most %s", noticed, limit)
	}
	if o.FlusherTimeout > limit || !o.ReconnectOnFlusherError {
		t.Errorf("a write may take %s, and then the connection is made anew: %v", o.FlusherTimeout, o.ReconnectOnFlusherError)
	}
}
