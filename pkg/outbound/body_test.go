package outbound

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestIdleOnlyWhileWaiting: time does not run while the reader does something else.
func TestIdleOnlyWhileWaiting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newBody(ctx, cancel, io.NopCloser(strings.NewReader("content")), time.Hour, 1, 0)
	defer b.Close() //nolint:errcheck // never fails
	if b.timer.Stop() {
		t.Error("the timer runs before the first read")
	}
	for range 3 {
		if _, err := b.Read(make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		if b.timer.Stop() {
			t.Error("the timer runs after a read")
		}
	}
}

// TestIdleWhileWaiting: it does run while nothing comes.
func TestIdleWhileWaiting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newBody(ctx, cancel, silent{ctx}, time.Millisecond, 1, 0)
	defer b.Close() //nolint:errcheck // never fails
	if _, err := b.Read(make([]byte, 2)); !errors.Is(err, ErrIdle) {
		t.Errorf("got %v, want %v", err, ErrIdle)
	}
}

// silent is a body of which nothing comes before the request is cancelled.
type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (silent) Close() error { return nil }

func TestLargestBody(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: ErrTooLarge, 100: ErrTooLarge} {
		ctx, cancel := context.WithCancelCause(t.Context())
		content := iotest.OneByteReader(strings.NewReader(strings.Repeat("x", size)))
		b := newBody(ctx, cancel, io.NopCloser(content), time.Hour, 1, 10)
		if got, err := io.ReadAll(b); !errors.Is(err, want) || len(got) != min(size, 10) {
			t.Errorf("%d bytes: got %d, %v; want %v", size, len(got), err, want)
		}
		if _, again := b.Read(make([]byte, 1)); want != nil && !errors.Is(again, want) {
			t.Errorf("%d bytes: the error did not stay: %v", size, again)
		}
		_ = b.Close() // never fails
	}
}
