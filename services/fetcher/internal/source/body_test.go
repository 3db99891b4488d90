package source

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestIdleOnlyWhileWaiting: time does not run while the reader does something else.
func TestIdleOnlyWhileWaiting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	b := newBody(ctx, cancel, io.NopCloser(strings.NewReader("content")), time.Hour)
	defer b.close()
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
	b := newBody(ctx, cancel, silent{ctx}, time.Millisecond)
	defer b.close()
	if _, err := b.Read(make([]byte, 2)); !errors.Is(err, errIdle) {
		t.Errorf("got %v, want %v", err, errIdle)
	}
}

// silent is a body of which nothing comes before the request is cancelled.
type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (silent) Close() error { return nil }
