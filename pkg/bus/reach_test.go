package bus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestProgressSeesWhatIsStored: what JetStream acknowledged just now is not taken for stored in the database, also where a busy server has
// not counted it for its consumers yet.
func TestProgressSeesWhatIsStored(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	const readers, before = 100, 1000 // the server tells each reader of each message, one after the other
	for i := range readers {
		cfg := jetstream.ConsumerConfig{
			Name: fmt.Sprint("reader", i), FilterSubject: fhirmsg.ResourceSubject("*", "*"), AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: time.Minute,
		}
		if _, err := b.js.CreateConsumer(t.Context(), fhirmsg.StreamResources, cfg); err != nil {
			t.Fatal(err)
		}
	}
	replay := newReplay(t, b, "Patient", 1)
	for range 5 {
		for range before {
			if _, err := b.js.PublishAsync(fhirmsg.ResourceSubject("fhir", "Observation"), nil); err != nil {
				t.Fatal(err)
			}
		}
		ack, err := b.js.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := b.WriterProgress(t.Context(), "Patient"); err != nil || p.Idle || p.Floor >= ack.Sequence {
			t.Fatalf("after message %d: %+v, error %v; nobody has read it", ack.Sequence, p, err)
		}
		if p, err := b.OpenReplay(t.Context(), replay); err != nil || p.Idle {
			t.Fatalf("after message %d: replay %+v, error %v; it has not read it", ack.Sequence, p, err)
		}
		if err := b.Purge(t.Context(), fhirmsg.StreamResources); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDrained: of a stream that keeps its messages, and after one that somebody removed.
func TestDrained(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	isDrained := func() bool {
		t.Helper()
		stream, err := b.js.Stream(t.Context(), fhirmsg.StreamRejects)
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := stream.Consumer(t.Context(), fhirmsg.ConsumerRejects)
		if err != nil {
			t.Fatal(err)
		}
		is, err := drained(t.Context(), stream, consumer.CachedInfo())
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	want := func(want bool, when string) {
		t.Helper()
		if got := isDrained(); got != want {
			t.Errorf("%s: drained %t", when, got)
		}
	}
	publish := func(id string) {
		t.Helper()
		if err := b.Publish(t.Context(), fhirmsg.SubjectReject+".a", id, []byte(id)); err != nil {
			t.Fatal(err)
		}
	}
	want(true, "new")
	publish("one")
	want(false, "with a message")
	opts := ConsumeOptions{Stream: fhirmsg.StreamRejects, Consumer: fhirmsg.ConsumerRejects, Grace: 0}
	consume(t, b, opts, func(_ context.Context, _ []Message, stop func()) error {
		want(false, "with a message in hand")
		stop()
		return nil
	})
	until(t, "the acknowledgement", isDrained)
	publish("two")
	want(false, "with another message")
	if err := b.Purge(t.Context(), fhirmsg.StreamRejects); err != nil {
		t.Fatal(err)
	}
	want(true, "emptied")
}

// TestNarrow: what comes behind does not keep what is between from being counted, as long as now and then two counts follow each other without
// a message between them, and does not count; what is removed meanwhile is not there.
func TestNarrow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		counts [][3]uint64 // from the first on, behind the last, from the first on
		want   uint64
	}{
		"nothing comes":            {[][3]uint64{{5, 0, 5}}, 5},
		"nothing is between":       {[][3]uint64{{3, 3, 3}}, 0},
		"each time one comes":      {[][3]uint64{{5, 1, 6}, {6, 1, 7}}, 5},
		"now here, now there":      {[][3]uint64{{7, 3, 9}, {9, 4, 10}, {10, 6, 11}}, 5},
		"more come than there are": {[][3]uint64{{2, 9, 20}, {20, 18, 22}, {22, 21, 23}}, 2},
		"two are removed":          {[][3]uint64{{6, 1, 5}}, 4},
		"all are removed":          {[][3]uint64{{6, 3, 2}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounted()
			for i, counts := range test.counts {
				n, ok := c.narrow(counts[0], counts[1], counts[2])
				if ok != (i == len(test.counts)-1) || ok && n != test.want {
					t.Errorf("after %v: %d, known %t; want %d after the last", counts, n, ok, test.want)
				}
			}
		})
	}
}

// TestCountWhilePublished: the same with a server.
func TestCountWhilePublished(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	const n = 5
	subject := fhirmsg.ResourceSubject("fhir", "Patient")
	for i := range n {
		check(t, b.Publish(t.Context(), subject, fmt.Sprint(i), nil))
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := n; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
			}
			if err := b.Publish(t.Context(), subject, fmt.Sprint(i), nil); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 20 {
		if got, err := b.CountBetween(t.Context(), fhirmsg.StreamResources, subject, 1, n); got != n || err != nil {
			t.Errorf("counted %d, error %v; want %d", got, err, n)
		}
	}
	close(stop)
	<-ended
}
