package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Notify publishes a notice, which is lost where nobody listens: of what is found by looking too.
func (b *Bus) Notify(subject string, payload []byte) error {
	if err := b.nc.Publish(subject, payload); err != nil {
		return fmt.Errorf("notify on %s: %w", subject, err)
	}
	return nil
}

// Notices hands over what comes on a subject, each to one of those who listen under the same name, until the
// context ends. It returns then, or when it cannot listen at all.
func (b *Bus) Notices(ctx context.Context, subject, name string, handle func(context.Context, []byte)) error {
	sub, err := b.nc.QueueSubscribeSync(subject, name)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", subject, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be closed
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // some were dropped
		}
		if err != nil {
			return fmt.Errorf("listen on %s: %w", subject, err)
		}
		handle(ctx, msg.Data)
	}
}
