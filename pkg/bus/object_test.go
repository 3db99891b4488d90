package bus

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestPartsFollow: of an object whose parts were removed while it was put, neither a further part nor the description is stored; nor
// does it count as put where a part came so late that they may be about to be.
func TestPartsFollow(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	stream, err := b.js.Stream(t.Context(), largeStream)
	check(t, err)
	parts := partPrefix + newNUID("object", false)
	s := series{js: b.js, parts: parts}
	part := func() *nats.Msg { return &nats.Msg{Subject: parts, Data: []byte("a part")} }
	for range 2 {
		check(t, s.store(t.Context(), part()))
	}
	late := s
	late.at = late.at.Add(-time.Minute)
	if err := late.store(t.Context(), part()); err == nil {
		t.Error("a part is taken a minute after the one before")
	}
	check(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(parts)))
	if err := s.store(t.Context(), part()); err == nil {
		t.Error("a part is stored though those before are gone")
	}
	if err := s.store(t.Context(), &nats.Msg{Subject: metaSubject("object"), Data: []byte("{}")}); err == nil {
		t.Error("an object is described that has no parts")
	}
}

// TestGetWhilePutAgain: who reads an object gets it whole, however often the same is put again meanwhile, and whichever server has it.
func TestGetWhilePutAgain(t *testing.T) {
	t.Parallel()
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		getWhilePutAgain(t, newBus(t, nil))
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		b := newClusterBus(t)
		until(t, "the cluster to make an object store", func() bool {
			_, err := b.js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: largeBucket, Replicas: 3})
			return err == nil || errors.Is(err, jetstream.ErrBucketExists)
		})
		getWhilePutAgain(t, b)
	})
}

func getWhilePutAgain(t *testing.T, b *Bus) {
	t.Helper()
	msg := &nats.Msg{Subject: "stoker.resource.fhir.Patient", Data: large('a'), Header: nats.Header{}}
	stored, err := b.storeLarge(t.Context(), msg)
	check(t, err)
	done := make(chan error, 1)
	go func() {
		for range 40 {
			if err := b.untilStored(t.Context(), func(ctx context.Context) error { return b.put(ctx, stored) }); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for reads := 0; ; reads++ {
		select {
		case err := <-done:
			check(t, err)
			if reads < 5 {
				t.Errorf("it was read %d times only", reads)
			}
			return
		default:
		}
		content, err := b.getObject(t.Context(), stored.name)
		if err != nil || !bytes.Equal(content, large('a')) {
			t.Fatalf("read %d: %d bytes, error %v", reads, len(content), err)
		}
	}
}
