package reading

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

// State is what a file was when it was first opened. It is stored as JSON.
type State struct {
	Validator   source.Validator   `json:"validator"`
	Compression format.Compression `json:"compression,omitempty"`
	Document    bool               `json:"document,omitempty"`
}

// Options say how a file is cut, and from where.
type Options struct {
	ChunkSize int
	MaxLine   int
	State     *State // of an earlier reading; nil: none
	Offset    int64  // where it got to, in decompressed bytes
	Line      int64  // number of the line there, from 1
}

// Reading is one file that is being read. It is for one goroutine.
type Reading struct {
	State State

	src origin
	dec io.ReadCloser
	*split.Splitter
}

// origin is where the bytes come from.
type origin interface {
	io.ReadCloser
	Offset() int64
}

// Lines is the state of a file that is known to be ndjson as it is, so that its content is not asked.
func Lines() *State { return &State{Validator: source.Validator{Size: -1, Strong: true}} }

// Open opens a file. Errors are those of [source.Open] and of [format].
func Open(ctx context.Context, f source.File, cfg source.Config, opts Options) (*Reading, error) {
	if opts.State == nil {
		return openFirst(ctx, f, cfg, opts)
	}
	return openAgain(ctx, f, cfg, opts)
}

// openFirst finds out what the file is.
func openFirst(ctx context.Context, f source.File, cfg source.Config, opts Options) (*Reading, error) {
	src, err := source.Open(ctx, f, cfg)
	if err != nil {
		return nil, err
	}
	r, err := begin(src, opts)
	if err != nil {
		return nil, err
	}
	r.State.Validator = src.Validator() // after the first bytes: a server tells it with them
	return r, nil
}

// begin finds out what the bytes are.
func begin(src origin, opts Options) (*Reading, error) {
	input := format.NewInput(src)
	state := State{Compression: input.Detect()}
	dec, err := input.Decompress(state.Compression)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	content := bufio.NewReaderSize(dec, format.Window)
	state.Document = isDocument(content)
	return newReading(state, src, dec, content, opts), nil
}

// isDocument looks at as much of the content as it needs to, and leaves it to be read.
func isDocument(content *bufio.Reader) bool {
	for n := min(64<<10, format.Window); ; n = min(2*n, format.Window) {
		beginning, err := content.Peek(n)
		document, sure := format.Document(beginning, errors.Is(err, io.EOF))
		if sure || err != nil || n == format.Window {
			return document
		}
	}
}

// openAgain goes on where an earlier reading ended.
func openAgain(ctx context.Context, f source.File, cfg source.Config, opts Options) (*Reading, error) {
	state := *opts.State
	start := opts.Offset
	if state.Compression != format.None {
		start = 0 // there is no way into the middle of compressed content
	}
	src, err := source.OpenAt(ctx, f, cfg, state.Validator, start)
	if err != nil {
		return nil, err
	}
	dec, err := format.NewInput(src).Decompress(state.Compression)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	r := newReading(state, src, dec, dec, opts)
	if _, err := io.CopyN(io.Discard, dec, opts.Offset-start); err != nil {
		return nil, errors.Join(fmt.Errorf("pass over what was read before: %w", err), r.Close())
	}
	return r, nil
}

func newReading(state State, src origin, dec io.ReadCloser, content io.Reader, opts Options) *Reading {
	return &Reading{State: state, src: src, dec: dec, Splitter: split.New(content, split.Options{
		ChunkSize: opts.ChunkSize, MaxLine: opts.MaxLine, StartOffset: opts.Offset, StartLine: opts.Line, Document: state.Document,
		Passing: passing,
	})}
}

// passing tells errors of the source from those of the content, which is the same at the next
// reading, and so are the pieces before its end. Where a bomb is noticed depends on how it is read.
func passing(err error) bool {
	return !errors.Is(err, format.ErrDamaged) && !errors.Is(err, format.ErrTruncated)
}

// Read is how many bytes were read at the source, compressed as they are there.
func (r *Reading) Read() int64 { return r.src.Offset() }

// Close ends the reading.
func (r *Reading) Close() error { return errors.Join(r.dec.Close(), r.src.Close()) }
