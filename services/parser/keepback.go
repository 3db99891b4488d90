package parser

import (
	"context"
	"slices"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/convert"
)

// full reports whether there is still no room for any of the types that a chunk waits for.
func (p *parser) full(ctx context.Context, types []string) (bool, error) {
	for _, t := range types {
		if full, err := p.quota.full(ctx, t); err != nil || !full {
			return false, err
		}
	}
	return len(types) > 0, nil
}

// keepBack takes the batches out of a chunk whose types have used up their quota, and returns
// those types. The others pass.
func (p *parser) keepBack(ctx context.Context, out *convert.Output) (types []string, err error) {
	for _, b := range out.Batches {
		if slices.Contains(types, b.Type) {
			continue
		}
		full, err := p.quota.full(ctx, b.Type)
		if err != nil {
			return nil, err
		}
		if full {
			types = append(types, b.Type)
		}
	}
	if len(types) > 0 {
		out.Batches = slices.DeleteFunc(out.Batches, func(b fhirmsg.Batch) bool { return slices.Contains(types, b.Type) })
	}
	return types, nil
}

// keepTypes leaves of a chunk what was not published before.
func keepTypes(out *convert.Output, types []string) {
	out.Batches = slices.DeleteFunc(out.Batches, func(b fhirmsg.Batch) bool { return !slices.Contains(types, b.Type) })
	out.Rejects = nil
}

// later hands a chunk back, so that chunks of other types pass.
func later(msg bus.Message) error {
	return bus.Later("a type of its resources has used up its quota", delay(msg.Delivery))
}
