package parser

import (
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/convert"
)

// Checker says of chunks what the service would, and publishes nothing. It keeps buffers: use
// one for each goroutine.
type Checker struct {
	convert *convert.Parser
	imp     fhirmsg.Import
}

// NewChecker returns a checker that takes only what is valid FHIR R4. The error says that the
// definitions to check by cannot be read.
func NewChecker() (*Checker, error) {
	definitions, err := fhirdef.Load(fhirmsg.FHIRVersionR4)
	if err != nil {
		return nil, err
	}
	return &Checker{
		convert: convert.New(convert.Options{}),
		imp: fhirmsg.Import{
			Supplier: fhirmsg.DefaultSupplier, Dataset: fhirmsg.DefaultDataset, Mode: fhirmsg.ModeOverwrite,
			FHIRVersion: fhirmsg.FHIRVersionR4, Rules: convert.Rules,
			Validation: fhirmsg.ValidationStrict, Definitions: definitions.Checksum,
			ChunkSize: fhirmsg.DefaultChunkSize, MaxLine: fhirmsg.DefaultMaxLine,
		},
	}, nil
}

// Check says what is wrong with a chunk, of whatever import it is, and accounts for its lines.
// It reports every resource that has issues, also where the service would only count them.
// The rejects are valid until the next Check, and as long as the chunk's body is. The error
// says that header and body of the chunk do not belong together.
func (c *Checker) Check(chunk fhirmsg.Chunk) ([]fhirmsg.Reject, fhirmsg.Statement, error) {
	chunk.Import = c.imp
	offset := chunk.Offset
	chunk.Offset = min(offset, 1) // near the file's beginning, where all are reported; 0 is the beginning itself
	out, err := c.convert.Convert(chunk)
	if err != nil {
		return nil, fhirmsg.Statement{}, err
	}
	var all []fhirmsg.Reject
	for _, group := range out.Rejects {
		all = append(all, group.Items...)
	}
	for i := range all {
		all[i].Offset += offset - chunk.Offset
	}
	out.Statement.Offset = offset
	return all, out.Statement, nil
}
