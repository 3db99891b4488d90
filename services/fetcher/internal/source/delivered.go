package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

var errNoDeliveries = errors.New("this service takes nothing that was delivered over NATS")

// deliveredStream reads messages of the queue, which never change.
type deliveredStream struct{ io.ReadCloser }

func openDelivered(ctx context.Context, d fhirmsg.Delivered, cfg Config, offset int64) (stream, error) {
	if cfg.Delivered == nil {
		return nil, errNoDeliveries
	}
	content := cfg.Delivered(ctx, d)
	if _, err := io.CopyN(io.Discard, content, offset); err != nil {
		return nil, errors.Join(fmt.Errorf("pass over what was read before: %w", err), content.Close())
	}
	return deliveredStream{content}, nil
}

func (deliveredStream) validator() Validator { return Validator{Size: -1, Strong: true} }
func (deliveredStream) check() error         { return nil }
