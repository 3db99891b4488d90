package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// ErrGone is returned where messages of a delivery are not in the stream any more.
var ErrGone = errors.New("messages of the delivery are not in the queue any more")

// patience is how long a message is waited for that should be there, and between attempts.
const (
	patience = 10 * time.Second
	again    = time.Second
)

// Open reads the messages of a delivery as one file, a message after the other, each with the end of a
// line at its end; see [writeLines] for what becomes of each. Every reading gives the same bytes. A queue that does not
// answer is waited for. Errors of reading: [ErrGone], the context's.
func Open(ctx context.Context, b *bus.Bus, d fhirmsg.Delivered) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := reader{bus: b, delivery: d, next: d.First, left: d.Messages, out: in}
		_ = in.CloseWithError(r.run(ctx)) // which never fails
	}()
	return &file{PipeReader: out, stop: func() { cancel(); <-done }}
}

// file is what Open returns.
type file struct {
	*io.PipeReader
	stop func()
}

// Close ends the reading.
func (f *file) Close() error {
	err := f.PipeReader.Close()
	f.stop()
	return err
}

type reader struct {
	bus      *bus.Bus
	delivery fhirmsg.Delivered
	next     uint64 // sequence to go on with
	left     int64  // messages
	out      *io.PipeWriter
}

// errReader is that of who reads, who has closed the file.
type errReader struct{ error }

// run writes all messages out. It is nil at the end.
func (r *reader) run(ctx context.Context) error {
	for {
		err := r.attempt(ctx)
		closed := errReader{}
		if err == nil || errors.Is(err, ErrGone) || errors.As(err, &closed) {
			return err
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func (r *reader) attempt(ctx context.Context) error {
	made, err := r.bus.Made(ctx, fhirmsg.StreamDeliver)
	if err != nil {
		return err
	}
	if made.UnixMicro() != r.delivery.Stream {
		return ErrGone
	}
	subject := fhirmsg.DeliverSubject(r.delivery.Supplier)
	follower, err := r.bus.Follow(ctx, fhirmsg.StreamDeliver, subject, r.next, false)
	if err != nil {
		return err
	}
	defer follower.Close()
	for r.next <= r.delivery.Last {
		msg, err := follower.Next(ctx, patience)
		if err != nil {
			return err
		}
		if msg == nil {
			there, err := r.bus.CountFrom(ctx, fhirmsg.StreamDeliver, subject, r.next)
			if err == nil && there > 0 {
				err = fmt.Errorf("no message came in %s", patience)
			}
			if err != nil {
				return err
			}
			break
		}
		if msg.Sequence > r.delivery.Last {
			break
		}
		if r.next = msg.Sequence + 1; fhirmsg.DeliveryName(msg.Header.Get(fhirmsg.HeaderDelivery)) != r.delivery.Name {
			continue
		}
		if isBare(msg.Header) && isAnswer(msg.Data) {
			continue // as the gatherer did
		}
		r.left--
		if err := writeLines(r.out, msg); err != nil {
			return errReader{err}
		}
	}
	if r.left != 0 {
		return ErrGone
	}
	return nil
}
