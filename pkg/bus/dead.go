package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// heartbeat is how often messages in hand are reported, well within the time JetStream
// waits for an acknowledgement.
const heartbeat = fhirmsg.AckWait / 3

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
		letter.Header.Set(fhirmsg.HeaderReason, reason.Error())
		letter.Header.Set(fhirmsg.HeaderSubject, msg.Subject())
		if err := b.publishOnce(ctx, letter); err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
		b.log.Error().Err(reason).Str("subject", msg.Subject()).Uint64("sequence", meta.Sequence.Stream).
			Msg("a message went to the dead letter stream")
	}
	return nil
}
