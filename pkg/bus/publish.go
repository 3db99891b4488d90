package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishTimeout is how long one attempt waits for JetStream's acknowledgement.
const publishTimeout = 10 * time.Second

// Publish stores a message under an id that names its content, and waits until JetStream
// has acknowledged it. While the stream is full or the server away it tries again; the
// error is then the context's. Other errors mean that this message can never be stored.
func (b *Bus) Publish(ctx context.Context, subject, id string, payload []byte) error {
	msg := &nats.Msg{Subject: subject, Data: payload, Header: nats.Header{}}
	msg.Header.Set(nats.MsgIdHdr, id)
	var large *largePayload
	if b.isLarge(payload) {
		var err error
		if large, err = b.storeLarge(ctx, msg); err != nil {
			return wrap(err, subject)
		}
	}
	for attempt := 1; ; attempt++ {
		err := b.publishOnce(ctx, msg)
		if err == nil && large != nil {
			return wrap(b.keepLarge(ctx, large), subject)
		}
		if err == nil || isHopeless(err) || ctx.Err() != nil {
			return wrap(err, subject)
		}
		if attempt == 3 { // one refusal is no news; a lasting one is
			b.log.Warn().Err(err).Str("subject", subject).Msg("cannot publish, waiting")
		}
		if err := backOff(ctx, attempt); err != nil {
			return wrap(err, subject)
		}
	}
}

func wrap(err error, subject string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("publish on %s: %w", subject, err)
}

func (b *Bus) publishOnce(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	_, err := b.js.PublishMsg(ctx, msg)
	return err
}

// isHopeless tells errors that no waiting mends.
func isHopeless(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) ||
		errors.Is(err, nats.ErrBadSubject) ||
		errors.Is(err, nats.ErrConnectionClosed) ||
		errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum)
}
