package fetcher

import (
	"context"
	"io"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/reading"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// File is a file that is read without a queue, exactly as an import would read it.
type File struct {
	Name string // for people: relative to its folder, or as named; a URL without credentials
	Size int64  // bytes when it was listed, -1 unknown

	file   source.File
	stream io.Reader // instead of file
}

// Skipped is something in a folder that an import would pass over.
type Skipped struct {
	Name   string
	Reason string
}

// List lists the files of a source in the order of an import. It may lie anywhere that the
// process may read. Errors hold no path.
func List(ctx context.Context, s fhirmsg.Source) ([]File, []Skipped, error) {
	found, passed, err := source.List(ctx, s, anywhere())
	if err != nil {
		return nil, nil, err
	}
	files, skipped := make([]File, len(found)), make([]Skipped, len(passed))
	for i, f := range found {
		files[i] = File{Name: f.Name, Size: f.Size, file: f}
	}
	for i, p := range passed {
		skipped[i] = Skipped(p)
	}
	return files, skipped, nil
}

// Stream is a file whose content r gives, such as standard input. It can be opened once.
func Stream(name string, r io.Reader) File { return File{Name: name, Size: -1, stream: r} }

// SourceName is a source's name for people, without credentials.
func SourceName(s fhirmsg.Source) string { return source.Name(s) }

func anywhere() source.Config { return source.Config{Roots: []string{"/"}} }

// Chunks reads a file's chunks. It is for one goroutine.
type Chunks struct {
	r        *reading.Reading
	declared string
}

// Open opens the file at its beginning. The context ends the reading too. Errors hold no path.
func (f File) Open(ctx context.Context) (*Chunks, error) {
	opts := reading.Options{ChunkSize: fhirmsg.DefaultChunkSize, MaxLine: fhirmsg.DefaultMaxLine, Line: 1}
	var r *reading.Reading
	var err error
	if f.stream != nil {
		r, err = reading.Stream(ctx, f.stream, opts)
	} else {
		r, err = reading.Open(ctx, f.file, anywhere(), opts)
	}
	if err != nil {
		return nil, err
	}
	return &Chunks{r: r, declared: f.file.Type}, nil
}

// Next returns the next chunk, of no import; its body is valid until the next call. At the end
// it returns [io.EOF]; after an error, which the complete lines before it precede, that error.
func (c *Chunks) Next() (fhirmsg.Chunk, error) {
	piece, err := c.r.Next()
	if err != nil {
		return fhirmsg.Chunk{}, err
	}
	return fhirmsg.Chunk{
		ChunkHeader: fhirmsg.ChunkHeader{
			Place:     fhirmsg.Place{Offset: piece.Offset, Length: piece.Length},
			FirstLine: piece.FirstLine, Lines: piece.Lines, Type: c.declared, Document: piece.Document, TooLong: piece.TooLong,
		},
		Body: piece.Body,
	}, nil
}

// Read is how many bytes were read at the source, compressed as they are there.
func (c *Chunks) Read() int64 { return c.r.Read() }

// Close ends the reading.
func (c *Chunks) Close() error { return c.r.Close() }
