package bus

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natsd"
)

// restartable is a server that is ended and started again on the same folder.
type restartable struct {
	*Bus
	t      *testing.T
	dir    string
	server *natsd.Server
}

func (r *restartable) start() {
	r.t.Helper()
	var err error
	r.server, err = natsd.Start(r.t.Context(), natsd.Options{StoreDir: r.dir, Logger: zerolog.Nop()})
	check(r.t, err)
	r.t.Cleanup(r.server.Close)
	nc, err := r.server.Connect()
	check(r.t, err)
	r.t.Cleanup(nc.Close)
	r.Bus, err = New(nc, zerolog.Nop())
	check(r.t, err)
	check(r.t, r.Apply(r.t.Context(), []string{"Patient"}, nil))
}

// chunks is the folder of the messages of CHUNKS.
func (r *restartable) chunks() string {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "jetstream", "*", "streams", fhirmsg.StreamChunks, "msgs"))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("found %v, %v", found, err)
	}
	return found[0]
}

// consumed is how many chunks are delivered until there are none for a while.
func (r *restartable) consumed() (n int) {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), time.Minute)
	defer stop()
	go func() {
		defer stop()
		for ctx.Err() == nil && r.left() > 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	turns := newTurns(ctx, r.Bus, ConsumeOptions{Workers: 1, Stream: fhirmsg.StreamChunks}, func(context.Context, []Message) error { n++; return nil })
	turns.idle = 100 * time.Millisecond
	turns.run(ctx)
	return n
}

func (r *restartable) left() uint64 {
	state, err := r.state(r.t.Context(), fhirmsg.StreamChunks)
	if err != nil {
		return 1
	}
	return state.Msgs
}

// TestRecall: messages that a server has again which it had let go of, while it knows that they were acknowledged, are given out once
// more and leave the queue. So a server may come up after kill -9.
func TestRecall(t *testing.T) {
	t.Parallel()
	r := &restartable{t: t, dir: t.TempDir()}
	r.start()
	r.publishChunks(t, "a", 3)
	r.server.Close()
	before := filepath.Join(t.TempDir(), "msgs")
	check(t, os.CopyFS(before, os.DirFS(r.chunks())))
	r.start()
	if n := r.consumed(); n != 3 {
		t.Fatalf("%d chunks, want 3", n)
	}
	r.server.Close()
	there := r.chunks()
	check(t, os.RemoveAll(there))
	check(t, os.CopyFS(there, os.DirFS(before)))
	r.start()
	if n := r.left(); n != 3 {
		t.Fatalf("the server has %d chunks again, want 3", n)
	}
	if n := r.consumed(); n != 3 || r.left() != 0 {
		t.Errorf("%d chunks a second time, want 3; %d are left", n, r.left())
	}
}

// TestRecallNothing: what waits, or is in hand, is left alone.
func TestRecallNothing(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	b.publishChunks(t, "a", 2)
	c := fhirmsg.SupplierConsumer("a")
	consumer, err := b.js.Consumer(t.Context(), c.Stream, c.Name)
	check(t, err)
	wait := func() (waiting, inHand int) {
		info, err := consumer.Info(t.Context())
		check(t, err)
		return int(info.NumPending), info.NumAckPending
	}
	// The server counts what waits a moment after it is stored.
	until(t, "two chunks to wait", func() bool { n, _ := wait(); return n == 2 })
	for hold := range 3 {
		check(t, b.recall(t.Context(), consumer))
		if waiting, inHand := wait(); waiting != 2-hold || inHand != hold {
			t.Errorf("%d messages wait and %d are in hand, want %d and %d", waiting, inHand, 2-hold, hold)
		}
		if hold == 2 {
			break
		}
		msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		check(t, err)
		defer holdInHand([]jetstream.Msg{msg})()
	}
}
