package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natsd"
)

// newRestarting is a bus over a server that restart ends and starts again at the same place, where it has lost the consumers that only read.
func newRestarting(t *testing.T) (b *Bus, stop, restart func()) {
	t.Helper()
	listen, err := natsd.FreeAddress()
	check(t, err)
	dir := t.TempDir()
	var server *natsd.Server
	start := func() {
		server, err = natsd.Start(t.Context(), natsd.Options{StoreDir: dir, Listen: listen, Logger: zerolog.Nop()})
		check(t, err)
		t.Cleanup(server.Close)
	}
	start()
	nc, err := Connect("nats://"+listen, "test", zerolog.Nop())
	check(t, err)
	t.Cleanup(nc.Close)
	b, err = New(nc, zerolog.Nop())
	check(t, err)
	check(t, b.Apply(t.Context(), []string{"Patient"}, nil))
	return b, func() { server.Close() }, func() { server.Close(); start() }
}

func (b *Bus) publishNumbered(t *testing.T, n int) (all []string) {
	t.Helper()
	for i := range n {
		all = append(all, fmt.Sprint(i))
		check(t, b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), all[i], []byte(all[i])))
	}
	return all
}

// TestReadAcrossRestart: a server that is started again in mid-reading has all that it holds read, in order and once.
func TestReadAcrossRestart(t *testing.T) {
	t.Parallel()
	b, _, restart := newRestarting(t)
	want := b.publishNumbered(t, 3*readAhead)
	var got []string
	err := b.Read(t.Context(), fhirmsg.StreamResources, "", 1, uint64(len(want)), func(msg Message) error {
		if len(got) == 5 {
			restart()
		}
		got = append(got, string(msg.Data))
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("read %v, error %v; want %v", got, err, want)
	}
}

// leaky is a way to a server on which what the server sends can be lost.
type leaky struct {
	address string
	loses   atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

func newLeaky(t *testing.T, server string) *leaky {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	l := &leaky{address: listener.Addr().String()}
	t.Cleanup(l.cut)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			if conn, err := net.Dial("tcp", server); err == nil {
				l.mu.Lock()
				l.conns = append(l.conns, client, conn)
				l.mu.Unlock()
				go func() { _, _ = io.Copy(conn, client) }()
				go func() { _, _ = io.Copy(lossy{client, &l.loses}, conn) }()
			}
		}
	}()
	return l
}

// cut ends all connections.
func (l *leaky) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

type lossy struct {
	io.Writer
	loses *atomic.Bool
}

func (l lossy) Write(b []byte) (int, error) {
	if l.loses.Load() {
		return len(b), nil
	}
	return l.Writer.Write(b)
}

// overLeaky is a second bus to the same server.
func overLeaky(t *testing.T, b *Bus) (*Bus, *leaky) {
	t.Helper()
	l := newLeaky(t, strings.TrimPrefix(b.nc.ConnectedUrl(), "nats://"))
	nc, err := Connect("nats://"+l.address, "test", zerolog.Nop())
	check(t, err)
	t.Cleanup(nc.Close)
	over, err := New(nc, zerolog.Nop())
	check(t, err)
	return over, l
}

// TestReadLost: the last messages that a server sent are lost with the connection. They are read all the same.
func TestReadLost(t *testing.T) {
	t.Parallel()
	b, _, _ := newRestarting(t)
	want := b.publishNumbered(t, readAhead+readAhead/2) // what the server has sent once it was asked twice
	over, way := overLeaky(t, b)
	var got []string
	err := over.Read(t.Context(), fhirmsg.StreamResources, "", 1, uint64(len(want)), func(msg Message) error {
		switch got = append(got, string(msg.Data)); len(got) {
		case 1:
			time.Sleep(300 * time.Millisecond) // what was asked for first comes
			way.loses.Store(true)
		case readAhead:
			time.Sleep(300 * time.Millisecond) // the rest is on its way
			way.cut()
			way.loses.Store(false)
		}
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("read %v, error %v; want %v", got, err, want)
	}
}

// TestFollowerNoticesLoss: a follower of which the last message was lost with the connection says so, also if no other one comes.
func TestFollowerNoticesLoss(t *testing.T) {
	t.Parallel()
	b, _, _ := newRestarting(t)
	over, way := overLeaky(t, b)
	f, err := over.Follow(t.Context(), fhirmsg.StreamResources, "", 1, true)
	check(t, err)
	defer f.Close()
	b.publishNumbered(t, 1)
	if d, err := f.Next(t.Context(), 10*time.Second); d == nil || err != nil {
		t.Fatalf("message %v, error %v", d, err)
	}
	way.loses.Store(true)
	check(t, b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), "lost", nil))
	until(t, "the server to send it", func() bool {
		consumer, err := b.js.Consumer(t.Context(), fhirmsg.StreamResources, f.consumer.CachedInfo().Name)
		return err == nil && consumer.CachedInfo().Delivered.Consumer == 2
	})
	way.cut()
	way.loses.Store(false)
	until(t, "the follower's error", func() bool {
		d, err := f.Next(t.Context(), 50*time.Millisecond)
		if d != nil {
			t.Error("the message came that was to be lost") // then the test shows nothing
		}
		if err != nil && (!errors.Is(err, errLost) || !strings.Contains(err.Error(), "1 of 2 messages")) {
			t.Errorf("ended with %v", err)
		}
		return d != nil || err != nil
	})
}

// TestReadEndsWithItsContext: who reads is not held up by a server that is gone.
func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b, stop, _ := newRestarting(t)
	all := b.publishNumbered(t, 3*readAhead)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Read(ctx, fhirmsg.StreamResources, "", 1, uint64(len(all)), func(msg Message) error {
			if string(msg.Data) == "0" {
				stop()
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			return nil
		})
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(lookFor):
		t.Error("it still waits for a server that is gone")
	}
}

// TestFollowerNoticesRestart: a follower whose consumer a server has lost says so, also where each wait is short, and does not wait for
// what never comes.
func TestFollowerNoticesRestart(t *testing.T) {
	t.Parallel()
	b, _, restart := newRestarting(t)
	f, err := b.Follow(t.Context(), fhirmsg.StreamResources, "", 1, true)
	check(t, err)
	defer f.Close()
	restart()
	b.publishNumbered(t, 1)
	until(t, "the follower's error", func() bool {
		d, err := f.Next(t.Context(), 50*time.Millisecond)
		if d != nil {
			t.Error("a message came from a consumer that is lost") // then the test shows nothing
		}
		if err != nil && !errors.Is(err, errLost) {
			t.Errorf("ended with %v", err)
		}
		return d != nil || err != nil
	})
}
