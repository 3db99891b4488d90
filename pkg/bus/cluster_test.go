package bus

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

// newClusterBus is a bus over a cluster of three that all have the stream of resources.
func newClusterBus(t *testing.T) *Bus {
	t.Helper()
	b, err := New(natstest.Connect(t, strings.Join(natstest.Cluster(t, 3), ",")), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range fhirmsg.Streams() {
		if s.Name == fhirmsg.StreamResources {
			cfg := streamConfig(s, 1<<30)
			cfg.Replicas = 3
			until(t, "the cluster to make a stream", func() bool {
				_, err := b.js.CreateStream(t.Context(), cfg)
				return err == nil
			})
		}
	}
	if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Observation"), "first", nil); err != nil { // once it has a leader
		t.Fatal(err)
	}
	return b
}

// publishAtOnce puts messages of a type into the stream, and returns the sequence of the first once all are acknowledged.
func (b *Bus) publishAtOnce(t *testing.T, typ string, n, size int) (first uint64) {
	t.Helper()
	acks := make([]jetstream.PubAckFuture, n)
	for i := range acks {
		var err error
		if acks[i], err = b.js.PublishAsync(fhirmsg.ResourceSubject("fhir", typ), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	for i, ack := range acks {
		select {
		case ok := <-ack.Ok():
			if i == 0 {
				first = ok.Sequence
			}
		case err := <-ack.Err():
			t.Fatal(err)
		}
	}
	return first
}

// TestLookIntoCluster: a cluster tells what it has acknowledged, also where one of its servers does not have it yet.
func TestLookIntoCluster(t *testing.T) {
	t.Parallel()
	b := newClusterBus(t)
	const rounds, n = 60, 200
	for range rounds {
		first := b.publishAtOnce(t, "Patient", n, 8<<10)
		counted, err := b.CountFrom(t.Context(), fhirmsg.StreamResources, fhirmsg.ResourceSubject("fhir", "Patient"), first)
		if err != nil || counted != n {
			t.Fatalf("%d messages counted, error %v; want %d", counted, err, n)
		}
		first = b.publishAtOnce(t, "Patient", n, 8<<10)
		_, at, err := b.TimeOf(t.Context(), fhirmsg.StreamResources, ">", first)
		if err != nil {
			t.Fatal(err)
		}
		if sequence, err := b.SequenceAt(t.Context(), fhirmsg.StreamResources, at); err != nil || sequence != first {
			t.Fatalf("message %d came at %v, error %v; want message %d", sequence, at, err, first)
		}
		if err := b.Purge(t.Context(), fhirmsg.StreamResources); err != nil {
			t.Fatal(err)
		}
	}
}
