package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// heartbeat is how often messages in hand are reported, well within the time JetStream
// waits for an acknowledgement.
const heartbeat = fhirmsg.AckWait / 3

// maxReason is how much of a reason is kept, in bytes: one that repeats what a sender wrote may be too long for a header.
const maxReason = 4 << 10

func shortened(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason], "") + "…"
}

// bury keeps messages that can never be processed, each with its reason.
func (b *Bus) bury(ctx context.Context, group []jetstream.Msg, stream string, reason error) error {
	for _, msg := range group {
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
		letter := &nats.Msg{Subject: fhirmsg.DeadSubject(stream), Data: msg.Data(), Header: nats.Header{}}
		if object := msg.Headers().Get(headerObject); object != "" {
			letter.Header.Set(headerObject, object)
		}
		letter.Header.Set(nats.MsgIdHdr, fmt.Sprintf("d.%s.%d", stream, meta.Sequence.Stream))
		letter.Header.Set(fhirmsg.HeaderReason, shortened(reason.Error()))
		letter.Header.Set(fhirmsg.HeaderSubject, msg.Subject())
		if err := b.publishOnce(ctx, letter); err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
		b.log.Error().Str("error", shortened(reason.Error())).Str("subject", msg.Subject()).Uint64("sequence", meta.Sequence.Stream).
			Msg("a message went to the dead letter stream")
	}
	return nil
}
