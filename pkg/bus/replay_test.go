package bus

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// publish puts messages of a size on the subject of a type, and has its writer acknowledge them.
func (b *Bus) publishStored(t *testing.T, typ string, n, size int) {
	t.Helper()
	for range n {
		if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", typ), rand.Text(), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	b.acknowledge(t, typ, n)
}

// acknowledge takes messages of a type as its writer does.
func (b *Bus) acknowledge(t *testing.T, typ string, n int) {
	t.Helper()
	consumer, err := b.js.Consumer(t.Context(), fhirmsg.StreamResources, fhirmsg.WriterConsumer(typ))
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		msg, err := consumer.Next(jetstream.FetchMaxWait(20 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func newReplay(t *testing.T, b *Bus, typ string, first uint64) Replay {
	t.Helper()
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := Replay{ID: id, Dataset: "fhir", Type: typ, First: first}
	if _, err := b.OpenReplay(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (b *Bus) counted(t *testing.T, typ string) uint64 {
	t.Helper()
	n, err := b.CountFrom(t.Context(), fhirmsg.StreamResources, fhirmsg.ResourceSubject("fhir", typ), 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTrimSparesReplays: what a replay has yet to read stays; the other types are trimmed.
func TestTrimSparesReplays(t *testing.T) {
	t.Parallel()
	b := newBus(t, Limits{fhirmsg.StreamResources: 1 << 20})
	types := []string{"Patient", "Observation"}
	for _, typ := range types {
		b.publishStored(t, typ, 7, 70<<10)
	}
	r := newReplay(t, b, "Patient", 3)
	if _, err := b.Trim(t.Context(), fhirmsg.StreamResources, types, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if patients, observations := b.counted(t, "Patient"), b.counted(t, "Observation"); patients != 5 || observations != 0 {
		t.Errorf("%d Patients and %d Observations left; want the 5 of the replay and none", patients, observations)
	}
	if err := b.CloseReplay(t.Context(), r.Consumer()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Trim(t.Context(), fhirmsg.StreamResources, types, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if patients := b.counted(t, "Patient"); patients != 0 {
		t.Errorf("%d Patients left after the replay, want none", patients)
	}
}

// TestTrimForObjects: objects that fill the limit have the oldest messages cut once, until the objects of these are removed.
func TestTrimForObjects(t *testing.T) {
	t.Parallel()
	const n = 14
	b := newBus(t, Limits{fhirmsg.StreamResources: 16 << 20})
	b.leastLarge = 16 << 20
	for i := range n {
		if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, 1100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	b.acknowledge(t, "Patient", n)
	trim := func() uint64 {
		t.Helper()
		if _, err := b.Trim(t.Context(), fhirmsg.StreamResources, []string{"Patient"}, 0); err != nil {
			t.Fatal(err)
		}
		return b.counted(t, "Patient")
	}
	left := trim()
	if left == n || left < n/2 {
		t.Fatalf("%d of %d messages left, want the oldest part cut", left, n)
	}
	if again := trim(); again != left {
		t.Errorf("%d of %d messages left before the objects were removed", again, left)
	}
	later := b.collectAfter
	b.collectAfter = 0
	wantCollected(t, b.NewCollector(), "of the messages that were cut", int(n-left))
	b.collectAfter = later
	if again := trim(); again != left {
		t.Errorf("%d of %d messages left, and there is room", again, left)
	}
	for i := range n - int(left) {
		if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), fmt.Sprint(n+i), bytes.Repeat([]byte{byte(n + i)}, 1100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if again := trim(); again >= n {
		t.Error("the limit is full again, and nothing was cut")
	}
}

// TestTrimForObjectsPastAPausedType: where objects fill the limit and the oldest messages are all of a type that is paused, others go.
func TestTrimForObjectsPastAPausedType(t *testing.T) {
	t.Parallel()
	const waiting, stored = 60, 13
	b := newBus(t, Limits{fhirmsg.StreamResources: 16 << 20})
	b.leastLarge = 16 << 20
	for i := range waiting {
		check(t, b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Observation"), fmt.Sprint("o", i), []byte("small")))
	}
	for i := range stored {
		check(t, b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Patient"), fmt.Sprint(i), bytes.Repeat([]byte{byte(i)}, 1100<<10)))
	}
	b.acknowledge(t, "Patient", stored)
	cut, err := b.Trim(t.Context(), fhirmsg.StreamResources, []string{"Patient", "Observation"}, 0)
	check(t, err)
	if left := b.counted(t, "Patient"); !cut || left == stored {
		t.Errorf("cut %t, %d of %d messages left that are stored", cut, left, stored)
	}
	if left := b.counted(t, "Observation"); left != waiting {
		t.Errorf("%d of %d messages left that wait", left, waiting)
	}
}

// TestTrimByAge: what is younger stays, also where the stream is small.
func TestTrimByAge(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	types := []string{"Patient", "Observation"}
	b.publishStored(t, "Patient", 4, 10)
	for _, age := range []time.Duration{0, time.Hour} {
		if _, err := b.Trim(t.Context(), fhirmsg.StreamResources, types, age); err != nil {
			t.Fatal(err)
		}
		if n := b.counted(t, "Patient"); n != 4 {
			t.Errorf("%d of 4 messages left at an age of %s", n, age)
		}
	}
	if err := b.Publish(t.Context(), fhirmsg.ResourceSubject("fhir", "Observation"), "o", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Trim(t.Context(), fhirmsg.StreamResources, types, time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	if patients, observations := b.counted(t, "Patient"), b.counted(t, "Observation"); patients != 0 || observations != 1 {
		t.Errorf("%d Patients and %d Observations; want none, and the 1 that is not stored", patients, observations)
	}
}

// TestReach: gaps tell from where on the stream is whole.
func TestReach(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	ctx := t.Context()
	wantWhole := func(what string, want uint64) {
		t.Helper()
		got, err := b.WholeFrom(ctx, fhirmsg.StreamResources)
		if err != nil || got != want {
			t.Errorf("%s: whole from %d (%v), want %d", what, got, err, want)
		}
		for first := uint64(1); first <= 12; first++ {
			intact, err := b.Intact(ctx, fhirmsg.StreamResources, first)
			if err != nil || intact != (first >= want) {
				t.Errorf("%s: intact from %d on: %v (%v)", what, first, intact, err)
			}
		}
	}
	wantWhole("empty", 1)
	for i := range 5 {
		b.publishStored(t, "Patient", 1, 10+i)
		b.publishStored(t, "Observation", 1, 10)
	}
	wantWhole("all there", 1)
	stream, err := b.js.Stream(ctx, fhirmsg.StreamResources)
	if err != nil {
		t.Fatal(err)
	}
	middle, err := stream.GetMsg(ctx, 6)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.SequenceAt(ctx, fhirmsg.StreamResources, middle.Time); err != nil || got != 6 {
		t.Errorf("sequence at the time of 6 is %d (%v)", got, err)
	}
	if got, err := b.SequenceAt(ctx, fhirmsg.StreamResources, time.Now().Add(time.Hour)); err != nil || got != 11 {
		t.Errorf("sequence of the future is %d (%v), want 11", got, err)
	}
	patients := fhirmsg.ResourceSubject("fhir", "Patient") // odd sequences
	if got, err := b.CountBetween(ctx, fhirmsg.StreamResources, patients, 2, 7); err != nil || got != 3 {
		t.Errorf("%d Patients from 2 to 7 (%v), want 3", got, err)
	}
	var read []uint64
	if err := b.Read(ctx, fhirmsg.StreamResources, patients, 2, 7, func(m Message) error { read = append(read, m.Sequence); return nil }); err != nil || fmt.Sprint(read) != "[3 5 7]" {
		t.Errorf("read %v (%v), want 3, 5 and 7", read, err)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(patients), jetstream.WithPurgeSequence(6)); err != nil {
		t.Fatal(err)
	}
	wantWhole("1, 3 and 5 are gone", 6)
	if sequence, at, err := b.TimeOf(ctx, fhirmsg.StreamResources, ">", 5); err != nil || sequence != 6 || !at.Equal(middle.Time) {
		t.Errorf("time of the first from 5 on: %d, %s (%v)", sequence, at, err)
	}
	if err := stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	wantWhole("all gone", 11)
}

// TestReadTrimmed: what is removed while it is read is said, and nothing is read or waited for in its place.
func TestReadTrimmed(t *testing.T) {
	t.Parallel()
	const n, last = 60, 50
	for name, below := range map[string]uint64{"some are left": 41, "none is left but those behind": last + 1, "none is left": n + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBus(t, nil)
			subject := fhirmsg.StatementSubject("a")
			for i := range n {
				if err := b.Publish(t.Context(), subject, fmt.Sprint(i), []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			var read []uint64
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			err := b.Read(ctx, fhirmsg.StreamStatements, "", 1, last, func(m Message) error {
				if read = append(read, m.Sequence); m.Sequence == 1 {
					return b.PurgeBelow(ctx, fhirmsg.StreamStatements, subject, below)
				}
				return nil
			})
			if !errors.Is(err, ErrTrimmed) {
				t.Errorf("got %v, want %v", err, ErrTrimmed)
			}
			// Some may have been on their way.
			kept := slices.DeleteFunc(read, func(sequence uint64) bool { return sequence < below })
			if len(kept) != int(last+1-min(below, last+1)) || len(kept) > 0 && kept[len(kept)-1] != last {
				t.Errorf("read %v of what is left, up to %d", kept, last)
			}
		})
	}
}
