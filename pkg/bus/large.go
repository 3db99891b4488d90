package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	largeBucket = "LARGE"
	// headerObject names the object that holds a message's payload.
	headerObject = "Stoker-Object"
	// headerRoom is what a message needs besides its payload, within the server's limit.
	headerRoom = 4 << 10
)

func (b *Bus) isLarge(payload []byte) bool {
	return int64(len(payload)) > b.nc.MaxPayload()-headerRoom
}

// storeLarge moves the payload of a message to the object store under its content's name.
// Storing it twice is harmless.
func (b *Bus) storeLarge(ctx context.Context, msg *nats.Msg) error {
	sum := sha256.Sum256(msg.Data)
	name := hex.EncodeToString(sum[:])
	for attempt := 1; ; attempt++ {
		err := b.putObject(ctx, name, msg.Data)
		if err == nil {
			break
		}
		if err := backOff(ctx, attempt); err != nil {
			return fmt.Errorf("store a large payload: %w", err)
		}
	}
	msg.Data = nil
	msg.Header.Set(headerObject, name)
	return nil
}

func (b *Bus) putObject(ctx context.Context, name string, data []byte) error {
	store, err := b.js.ObjectStore(ctx, largeBucket)
	if err != nil {
		return err
	}
	if info, err := store.GetInfo(ctx, name); err == nil && info.Size == uint64(len(data)) {
		return nil
	}
	_, err = store.PutBytes(ctx, name, data)
	return err
}

// payload returns a message's payload, from the object store where it is there.
func (b *Bus) payload(ctx context.Context, msg jetstream.Msg) ([]byte, error) {
	name := msg.Headers().Get(headerObject)
	if name == "" {
		return msg.Data(), nil
	}
	store, err := b.js.ObjectStore(ctx, largeBucket)
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	data, err := store.GetBytes(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, Permanent(errors.New("the payload is not in the object store"))
	}
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	return data, nil
}
