package bus

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// TestApplyOverOlder: the requests that a server has of an older version stay and are consumed, however many there are, and the
// stream is limited for each supplier once there are few.
func TestApplyOverOlder(t *testing.T) {
	t.Parallel()
	nc, err := natstest.New(t).Connect()
	check(t, err)
	t.Cleanup(nc.Close)
	b, err := New(nc, zerolog.Nop())
	check(t, err)
	_, err = b.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: fhirmsg.StreamFetch, Subjects: []string{"stoker.fetch.*"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxBytes: 64 << 20,
		AllowDirect: true, // which any server of a cluster would answer
	})
	check(t, err)
	_, err = b.js.CreateConsumer(t.Context(), fhirmsg.StreamFetch, jetstream.ConsumerConfig{
		Durable: "fetcher", FilterSubject: "stoker.fetch.*", AckPolicy: jetstream.AckExplicitPolicy, AckWait: fhirmsg.AckWait, MaxDeliver: -1, MaxAckPending: 4096,
	})
	check(t, err)
	const many = 1200
	for i := range many {
		check(t, b.Publish(t.Context(), "stoker.fetch.a", fmt.Sprint(i), []byte("x")))
	}
	limit := func() int64 {
		t.Helper()
		check(t, b.Apply(t.Context(), []string{"Patient"}, nil))
		s, err := b.js.Stream(t.Context(), fhirmsg.StreamFetch)
		check(t, err)
		if s.CachedInfo().Config.AllowDirect {
			t.Error("other servers than the leader may still answer")
		}
		return s.CachedInfo().Config.MaxMsgsPerSubject
	}
	if got := limit(); got > 0 || b.waiting(t, fhirmsg.StreamFetch) != many {
		t.Errorf("%d messages are left of %d, with a limit of %d", b.waiting(t, fhirmsg.StreamFetch), many, got)
	}
	consumer, err := b.js.Consumer(t.Context(), fhirmsg.StreamFetch, fhirmsg.ConsumerFetcher)
	check(t, err)
	batch, err := consumer.Fetch(many)
	check(t, err)
	n := 0
	for msg := range batch.Messages() {
		check(t, msg.DoubleAck(t.Context()))
		n++
	}
	if got := limit(); got != 1000 || n != many {
		t.Errorf("%d messages were consumed, and the limit is %d", n, got)
	}
}

// TestIDsOfSuppliers: an id that a supplier has used keeps no request of Stoker out, and its messages fill nobody's queue but its own.
func TestIDsOfSuppliers(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	check(t, b.Publish(t.Context(), fhirmsg.SupplierFetchSubject("a"), "f.x.0", []byte("{}")))
	check(t, b.Publish(t.Context(), fhirmsg.DeliverSubject("a"), "f.x.0", []byte("{}")))
	check(t, b.Publish(t.Context(), fhirmsg.FetchSubject("b"), "f.x.0", []byte("{}")))
	if got := b.waiting(t, fhirmsg.StreamOperator); got != 1 {
		t.Errorf("%d requests of the operator, want 1", got)
	}
	for i := range 1000 {
		_, err := b.js.PublishAsync(fhirmsg.SupplierFetchSubject("a"), []byte("{}"))
		if check(t, err); i%100 == 99 {
			<-b.js.PublishAsyncComplete()
		}
	}
	if _, err := b.js.Publish(t.Context(), fhirmsg.SupplierFetchSubject("a"), []byte("{}")); err == nil {
		t.Error("a supplier published more than it may")
	}
	if _, err := b.js.Publish(t.Context(), fhirmsg.SupplierFetchSubject("b"), []byte("{}")); err != nil {
		t.Errorf("another supplier: %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
