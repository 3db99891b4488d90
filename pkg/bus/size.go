package bus

import (
	"context"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// StreamSize is how full a stream is.
type StreamSize struct {
	Stream   string `json:"stream"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	Limit    int64  `json:"limit"`   // in bytes; 0 is none
	Waiting  uint64 `json:"waiting"` // not acknowledged by the consumers of the pipeline
	First    uint64 `json:"first_sequence"`
	Last     uint64 `json:"last_sequence"`
}

// Sizes looks at all streams of the pipeline.
func (b *Bus) Sizes(ctx context.Context) (sizes []StreamSize, err error) {
	for _, s := range fhirmsg.Streams() {
		stream, err := b.js.Stream(ctx, s.Name)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", s.Name, err)
		}
		info := stream.CachedInfo()
		size := StreamSize{
			Stream: s.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes, Limit: max(info.Config.MaxBytes, 0),
			First: info.State.FirstSeq, Last: info.State.LastSeq,
		}
		waiting, err := b.Backlog(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		for _, n := range waiting {
			size.Waiting += n
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}
