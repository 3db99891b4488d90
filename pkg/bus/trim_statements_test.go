package bus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestTrimStatements: what is not recorded stays however full the stream is, then the oldest goes, by size
// or by age, and the last one stays.
func TestTrimStatements(t *testing.T) {
	t.Parallel()
	const n, size = 20, 1000
	b := newBus(t, Limits{fhirmsg.StreamStatements: n * (size + 100)})
	for i := range n {
		if err := b.Publish(t.Context(), fhirmsg.StatementSubject("a"), fmt.Sprint(i), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	trimmed := func(age time.Duration) uint64 {
		t.Helper()
		if err := b.TrimStatements(t.Context(), fhirmsg.StreamStatements, age); err != nil {
			t.Fatal(err)
		}
		left, err := b.CountFrom(t.Context(), fhirmsg.StreamStatements, "", 1)
		if err != nil {
			t.Fatal(err)
		}
		return n - left
	}
	if got := trimmed(time.Nanosecond); got != 0 {
		t.Errorf("%d messages trimmed that nobody recorded", got)
	}
	recorded := 0
	consume(t, b, ConsumeOptions{Stream: fhirmsg.StreamStatements, Consumer: fhirmsg.ConsumerStatements, Workers: 1},
		func(_ context.Context, _ []Message, stop func()) error {
			if recorded++; recorded == n {
				stop()
			}
			return nil
		})
	if got := trimmed(0); got == 0 || got > n/2 {
		t.Errorf("%d of %d messages trimmed by size; want some of the oldest", got, n)
	}
	if got := trimmed(time.Hour); got > n/2 {
		t.Errorf("%d messages trimmed; none is an hour old", got)
	}
	if got := trimmed(time.Nanosecond); got != n-1 {
		t.Errorf("%d messages trimmed by age, want all but the last", got)
	}
	if whole, err := b.Intact(t.Context(), fhirmsg.StreamStatements, n); err != nil || !whole {
		t.Errorf("behind the last one nothing is missing: %v, %v", whole, err)
	}
}

// TestLast: the last message of a subject, wildcards included, also where its payload is an object.
func TestLast(t *testing.T) {
	t.Parallel()
	b := newBus(t, nil)
	id := fhirmsg.ImportID{1}
	if _, ok, err := b.Last(t.Context(), fhirmsg.StreamJournal, fhirmsg.JournalImportSubject("*", id)); ok || err != nil {
		t.Errorf("of nothing: %v, %v", ok, err)
	}
	large := make([]byte, 2<<20)
	for i, payload := range [][]byte{[]byte("first"), large} {
		if err := b.Publish(t.Context(), fhirmsg.JournalImportSubject("a", id), fmt.Sprint(i), payload); err != nil {
			t.Fatal(err)
		}
		got, ok, err := b.Last(t.Context(), fhirmsg.StreamJournal, fhirmsg.JournalImportSubject("*", id))
		if err != nil || !ok || len(got.Data) != len(payload) {
			t.Errorf("message %d: %d bytes, %v, %v", i, len(got.Data), ok, err)
		}
	}
}
