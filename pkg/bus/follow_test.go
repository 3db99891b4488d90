package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// TestFollowSizes: without payloads the size of a message is the one that the server states, whatever its publisher
// claims.
func TestFollowSizes(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	for _, claims := range [][]string{nil, {"1"}, {"999999999999"}, {"-5"}, {"many"}, {"7", "8"}} {
		msg := &nats.Msg{Subject: fhirmsg.DeliverSubject("a"), Data: []byte("four"), Header: nats.Header{nats.MsgSize: claims}}
		if _, err := b.js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	f, err := b.Follow(t.Context(), fhirmsg.StreamDeliver, "", 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 6 {
		d, err := f.Next(t.Context(), 30*time.Second)
		if err != nil || d == nil || d.Bytes != 4 || len(d.Data) != 0 {
			t.Fatalf("message %+v, %v; want one of 4 bytes", d, err)
		}
	}
}

// TestFollowLeavesNothing: who has read a stream leaves no consumer at the server.
func TestFollowLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	consumers := func() int {
		t.Helper()
		stream, err := b.js.Stream(t.Context(), fhirmsg.StreamDeliver)
		check(t, err)
		return stream.CachedInfo().State.Consumers
	}
	before := consumers()
	f, err := b.Follow(t.Context(), fhirmsg.StreamDeliver, "", 1, true)
	check(t, err)
	if n := consumers(); n != before+1 {
		t.Errorf("%d consumers while it is read, %d before", n, before)
	}
	f.Close()
	if n := consumers(); n != before {
		t.Errorf("%d consumers are left, of %d before", n, before)
	}
}

// TestFollowClosesWithoutServer: who has read a stream can end when the server is gone.
func TestFollowClosesWithoutServer(t *testing.T) {
	t.Parallel()
	server := natstest.Listen(t)
	nc, err := Connect(server.URL(), "test", zerolog.Nop())
	check(t, err)
	t.Cleanup(nc.Close)
	b, err := New(nc, zerolog.Nop())
	check(t, err)
	check(t, b.Apply(t.Context(), []string{"Patient"}, nil))
	f, err := b.Follow(t.Context(), fhirmsg.StreamDeliver, "", 1, true)
	check(t, err)
	server.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		f.Close()
	}()
	select {
	case <-closed:
	case <-time.After(lookFor / 2):
		t.Error("it still waits for a server that is gone")
	}
}
