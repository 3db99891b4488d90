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

// deadRequests is how many requests of one supplier's own are kept that can never be processed, the newest ones, and
// maxDeadRequest how much of each, in bytes: a supplier may publish any number of them.
const (
	deadRequests   = 16
	maxDeadRequest = 64 << 10
)

// buryRequest makes a letter about a supplier's own request one of that supplier's, and makes room for it.
func (b *Bus) buryRequest(ctx context.Context, letter *nats.Msg, subject string) error {
	supplier, _ := fhirmsg.FetchSupplier(subject)
	letter.Subject = fhirmsg.DeadRequestSubject(supplier)
	letter.Data = letter.Data[:min(len(letter.Data), maxDeadRequest)]
	stream, err := b.js.Stream(ctx, fhirmsg.StreamDead)
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(letter.Subject), jetstream.WithPurgeKeep(deadRequests-1))
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
		if stream == fhirmsg.StreamFetch {
			if err := b.buryRequest(ctx, letter, msg.Subject()); err != nil {
				return fmt.Errorf("dead letter: %w", err)
			}
		}
		if err := b.publishOnce(ctx, letter); err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
		b.log.Error().Str("error", shortened(reason.Error())).Str("subject", msg.Subject()).Uint64("sequence", meta.Sequence.Stream).
			Msg("a message went to the dead letter stream")
	}
	return nil
}
