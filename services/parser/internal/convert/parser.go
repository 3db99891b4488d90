package convert

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/bundle"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
	"github.com/stoker-fhir/stoker/services/parser/internal/scope"
)

// Rules is the version of what this package does. A change that makes another output of the
// same chunk raises it.
//
// 2 validates, where an import asks for it. 3 scopes keys, where one asks for it. 4 takes resources as
// incomplete where a chunk says so. 5 orders the entries of a history by what they say, and dates those without a date.
// 6 puts four times as many small resources in a batch.
const Rules = 6

// DefaultMaxBatchBytes is the weight of a batch that is not exceeded but by a single resource. A message of that
// size fits NATS's default of 1 MiB. A resource weighs what it has, before compression, and a small one a quarter of it (ADR 0012).
const DefaultMaxBatchBytes = 768 << 10

// ErrUnsupported is returned for a chunk whose import pins rules or a FHIR version that this
// parser lacks. Another parser may have them.
var ErrUnsupported = errors.New("the import pins what this parser does not have")

// Options is what code sets.
type Options struct {
	MaxBatchBytes int // 0 is DefaultMaxBatchBytes
}

// Output is what is said of one chunk. Its bytes are valid until the next Convert, and as
// long as the chunk's body is.
type Output struct {
	Batches   []fhirmsg.Batch // sealed; parts of a type in order
	Rejects   []fhirmsg.Rejects
	Statement fhirmsg.Statement
}

// Parser converts one chunk after the other. It keeps its buffers: use one for each
// goroutine.
type Parser struct {
	reader      *resource.Reader
	definitions *fhirdef.Definitions // that the reader checks against, once they are needed
	unroller    bundle.Unroller
	batches     batches
	rejects     rejects

	chunk     fhirmsg.ChunkHeader // in hand
	ids       key.Maker
	scope     *scope.Scoper // nil where keys are kept
	failed    error         // why nothing can be said of the chunk
	statement fhirmsg.Statement
	checks    bool // against the definitions
	strict    bool // what has an error is rejected
	problems  problems
	findings  findings
	profiles  profiles
}

// New returns a parser.
func New(opts Options) *Parser {
	limit := opts.MaxBatchBytes
	if limit <= 0 {
		limit = DefaultMaxBatchBytes
	}
	return &Parser{reader: &resource.Reader{}, batches: newBatches(limit), rejects: rejects{limit: limit}}
}

// Convert says what a chunk holds. Errors are [ErrUnsupported], or say that the chunk's
// header and body do not belong together; whatever else is wrong is in the rejects.
func (p *Parser) Convert(c fhirmsg.Chunk) (Output, error) {
	if keys := c.Import.Keys; keys != "" && keys.Check() != nil {
		return Output{}, fmt.Errorf("%w: key policy %s", ErrUnsupported, keys) // to keep ids that are not to be kept would mix patients up
	}
	if c.Import.Rules > Rules || !fhirdef.Supports(c.Import.FHIRVersion) {
		return Output{}, fmt.Errorf("%w: rules %d, FHIR %s; have rules %d, FHIR %s",
			ErrUnsupported, c.Import.Rules, c.Import.FHIRVersion, Rules, fhirdef.R4)
	}
	if err := p.prepare(c.Import); err != nil {
		return Output{}, err
	}
	p.chunk = c.ChunkHeader
	p.ids = key.NewMaker(c.Import.Supplier)
	p.scope, p.failed = nil, nil
	if c.Import.Keys == fhirmsg.KeysScoped {
		p.scope = scope.New(c.Import, p.ids)
	}
	p.statement = fhirmsg.Statement{Import: c.Import, Place: c.Place}
	p.findings.begin()
	p.profiles.begin()
	p.batches.begin(c.ChunkHeader)
	p.rejects.begin(c.ChunkHeader)

	unit := line{text: c.Body, number: c.FirstLine, offset: c.LineOffset()}
	if c.LineOffset() == 0 {
		unit.skipByteOrderMark()
	}
	switch {
	case c.TooLong:
		p.tooLong(unit)
	case c.Document:
		p.line(unit)
	case len(c.Body) > 0:
		p.lines(unit)
	}
	return p.finish()
}

// prepare makes the reader ready for what an import pins.
func (p *Parser) prepare(imp fhirmsg.Import) error {
	p.strict = imp.Validation == fhirmsg.ValidationStrict
	p.checks = imp.Validation.Checks()
	if p.checks && p.definitions == nil {
		d, err := fhirdef.Load(imp.FHIRVersion)
		if err != nil {
			return err
		}
		if p.reader, err = resource.NewReader(d); err != nil {
			return err
		}
		p.definitions = d
	}
	if p.checks && imp.Definitions != p.definitions.Checksum {
		return fmt.Errorf("%w: definitions %.12s of FHIR %s; have %.12s", ErrUnsupported, imp.Definitions, imp.FHIRVersion, p.definitions.Checksum)
	}
	return nil
}

// lines converts a text that is at least one line.
func (p *Parser) lines(l line) {
	rest := l.text
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			l.text = withoutReturn(rest)
			p.line(l)
			return
		}
		l.text = withoutReturn(rest[:end])
		p.line(l)
		rest = rest[end+1:]
		l.number++
		l.offset += int64(end) + 1
		if len(rest) == 0 {
			return
		}
	}
}

func (p *Parser) finish() (Output, error) {
	if p.failed != nil {
		return Output{}, p.failed
	}
	s := &p.statement
	// Invariant 3: every line is accounted for.
	if got := s.Lines; got != p.chunk.Lines {
		return Output{}, fmt.Errorf("chunk said to have %d lines has %d", p.chunk.Lines, got)
	}
	if sum := s.Blank + s.Control + s.Rejected + s.Plain + s.Bundles; sum != s.Lines {
		return Output{}, fmt.Errorf("of %d lines %d are accounted for", s.Lines, sum)
	}
	out := Output{Batches: p.batches.finish()}
	var err error
	if out.Rejects, err = p.rejects.finish(); err != nil {
		return Output{}, err
	}
	resources := s.EntriesRejected + s.Ignored
	var prints []byte
	for _, b := range out.Batches {
		resources += int64(b.Rows)
		prints = append(prints, b.Fingerprint[:]...)
	}
	if resources != s.Plain+s.Entries {
		return Output{}, fmt.Errorf("of %d resources %d are accounted for", s.Plain+s.Entries, resources)
	}
	for _, r := range out.Rejects {
		prints = append(prints, r.Fingerprint[:]...)
	}
	s.IssueCounts, s.Profiles = p.findings.finish(), p.profiles.finish()
	s.Fingerprint = fhirmsg.HashOf(prints)
	out.Statement = *s
	return out, nil
}
