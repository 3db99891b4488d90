package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
