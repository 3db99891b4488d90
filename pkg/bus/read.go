package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrTrimmed is returned where messages were removed while they were read. The others were handed over.
var ErrTrimmed = errors.New("messages were removed while they were read")

const (
	// readWait is how long the next message may take before is asked whether there is one.
	readWait = 2 * time.Second
	// readAhead is how many messages are in memory.
	readAhead = 16
)

// Read hands over what a stream holds on a subject ("" is all) from one sequence to another, both included,
// oldest first, without consuming it. The last must not be beyond the stream's. Where a server loses the reading, it is begun again
// behind what was handed over, for half a minute if nothing comes of it. Errors: [ErrTrimmed].
func (b *Bus) Read(ctx context.Context, streamName, subject string, first, last uint64, each func(Message) error) error {
	left, err := b.CountBetween(ctx, streamName, subject, first, last)
	if err != nil || left == 0 {
		return err
	}
	return b.readAll(ctx, reading{bus: b, stream: streamName, subject: subject, first: first, last: last, left: left, each: each})
}

func (b *Bus) readAll(ctx context.Context, r reading) error {
	for since, attempt := time.Now(), 1; ; attempt++ {
		before := r.first
		err := r.read(ctx)
		if err == nil {
			return nil
		}
		if r.first > before {
			since, attempt = time.Now(), 1
		}
		if !errors.Is(err, errLost) || ctx.Err() != nil || time.Since(since) > lookFor {
			return fmt.Errorf("read %s: %w", r.stream, err)
		}
		_ = backOff(ctx, attempt) // an end of the context is seen next
	}
}

// reading is what is left to read.
type reading struct {
	bus             *Bus
	stream, subject string
	first, last     uint64
	left            uint64 // messages, or more
	each            func(Message) error
}

// read hands over all that is left. Errors: errLost, [ErrTrimmed].
func (r *reading) read(ctx context.Context) error {
	f, err := r.bus.follow(ctx, r.stream, r.subject, r.first, readAhead, false)
	if err != nil {
		return lost(err)
	}
	defer f.Close()
	for r.left > 0 && r.first <= r.last {
		msg, sequence, err := f.next(ctx, readWait)
		if err != nil {
			return err
		}
		if msg == nil {
			if sequence, _, err = r.bus.TimeOf(ctx, r.stream, cmp.Or(r.subject, ">"), r.first); err != nil {
				return lost(err)
			}
			if sequence > 0 && sequence <= r.last {
				continue
			}
		}
		if msg == nil || sequence > r.last {
			return ErrTrimmed
		}
		data, err := r.bus.payload(ctx, msg)
		if err != nil {
			return lost(err)
		}
		if err := r.each(Message{Subject: msg.Subject(), Sequence: sequence, Data: data}); err != nil {
			return err
		}
		r.left, r.first = r.left-1, sequence+1
	}
	if r.left > 0 {
		return ErrTrimmed
	}
	return nil
}

// lost makes an error that passes errLost.
func lost(err error) error {
	if passes(err) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// Scan reads all that a stream holds on a subject, oldest first, without consuming it. since
// is when the oldest message of the stream was stored, if older ones are gone.
func (b *Bus) Scan(ctx context.Context, streamName, subject string, each func(Message) error) (since time.Time, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return since, fmt.Errorf("stream %s: %w", streamName, err)
	}
	if state := stream.CachedInfo().State; state.FirstSeq > 1 {
		since = state.FirstTime
	}
	last, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return since, nil
	}
	if err != nil {
		return since, fmt.Errorf("stream %s: %w", streamName, err)
	}
	err = b.readAll(ctx, reading{bus: b, stream: streamName, subject: subject, first: 1, last: last.Sequence, left: math.MaxUint64, each: each})
	if errors.Is(err, ErrTrimmed) { // what is gone is not held, and how many there were was not counted
		err = nil
	}
	return since, err
}

// Last returns the last message that a stream has on a subject; ok is false where there is none.
func (b *Bus) Last(ctx context.Context, streamName, subject string) (last Message, ok bool, err error) {
	stream, err := b.js.Stream(ctx, streamName)
	if err != nil {
		return last, false, fmt.Errorf("stream %s: %w", streamName, err)
	}
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return last, false, nil
	}
	if err != nil {
		return last, false, fmt.Errorf("look into %s: %w", streamName, err)
	}
	last = Message{Subject: msg.Subject, Sequence: msg.Sequence, Data: msg.Data}
	if name := msg.Header.Get(headerObject); name != "" {
		last.Data, err = b.getObject(ctx, name)
	}
	return last, err == nil, err
}
