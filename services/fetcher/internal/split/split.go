package split

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Options say how a stream is cut. Sizes are in bytes and at least 1.
type Options struct {
	ChunkSize   int   // the greatest piece, unless a single line is longer
	MaxLine     int   // the longest line, without its newline, or document
	StartOffset int64 // where in the file the stream begins
	StartLine   int64 // number of its first line, from 1; 0 is taken as 1
	Document    bool  // the whole stream is one unit, line 1

	// Passing tells read errors that another reading may not meet. Lines before such an error
	// that do not fill a piece are not delivered: the reading may go on later, and a piece must
	// be the same then. nil: only a context's.
	Passing func(error) bool
}

// Piece is a part of the stream: whole lines, or the document.
type Piece struct {
	Offset    int64  // of the first byte, in the file
	Length    int64  // in bytes; of a line that is too long the whole of it, newline included
	FirstLine int64  // from 1
	Lines     int64  // blank ones included
	Body      []byte // valid until the next call of Next
	TooLong   bool   // one line, or the document, over MaxLine: Body is its first 1 KiB
	Document  bool
}

// Splitter cuts one stream. It is for one goroutine.
type Splitter struct {
	r    io.Reader
	opts Options
	err  error // what the reader ended with

	buf        []byte // of ChunkSize
	start, end int    // what of buf was read and not delivered

	offset, line int64 // of the next piece

	look func(end int64) error // see WhileSkipping
}

// WhileSkipping has look called while the rest of what is too long is passed over, which may have no end: with how far in the file
// was read. Its error ends the reading, and is what Next returns.
func (s *Splitter) WhileSkipping(look func(end int64) error) { s.look = look }

// New returns a splitter that reads r from where it is.
func New(r io.Reader, opts Options) *Splitter {
	if opts.Passing == nil {
		opts.Passing = func(err error) bool {
			return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		}
	}
	return &Splitter{
		r: r, opts: opts, buf: make([]byte, max(opts.ChunkSize, 1)),
		offset: opts.StartOffset, line: max(opts.StartLine, 1),
	}
}

// Next returns the next piece. At the end it returns [io.EOF]; after a read error, once the
// complete lines before it are delivered, that error, as it came; see also Options.Passing.
// Errors stay.
func (s *Splitter) Next() (Piece, error) {
	s.fill()
	if s.opts.Document {
		if s.start == s.end && s.err != nil {
			return Piece{}, s.err
		}
		return s.nextLong()
	}
	if s.end-s.start < len(s.buf) && s.err != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		if s.opts.Passing(s.err) {
			return Piece{}, s.err
		}
		// What follows the last newline is not a line, only what was read of one.
		s.end = s.start + bytes.LastIndexByte(s.buf[s.start:s.end], '\n') + 1
	}
	if s.start == s.end {
		return Piece{}, s.err
	}
	n := s.cut(s.buf[s.start:s.end])
	if n == 0 {
		return s.nextLong()
	}
	body := s.buf[s.start : s.start+n]
	s.start += n
	lines := int64(bytes.Count(body, []byte{'\n'}))
	if body[n-1] != '\n' {
		lines++
	}
	return s.piece(Piece{Length: int64(n), Lines: lines, Body: body}), nil
}

// fill makes the window as large as buf, or reads to the end. That it does not stop before
// is what makes the pieces independent of the reader.
func (s *Splitter) fill() {
	s.end = copy(s.buf, s.buf[s.start:s.end])
	s.start = 0
	for s.err == nil && s.end < len(s.buf) {
		s.end += s.read(s.buf[s.end:])
	}
}

// read reads once, and sets err.
func (s *Splitter) read(p []byte) (n int) {
	for range 100 {
		n, s.err = s.r.Read(p)
		if n > 0 || s.err != nil {
			return n
		}
	}
	s.err = io.ErrNoProgress
	return 0
}

// cut returns the length of the whole lines that begin the window and make a piece, or 0 if
// the first line is to be treated alone. The window is full, or ends with a line.
func (s *Splitter) cut(window []byte) int {
	n := len(window)
	if n == len(s.buf) {
		n = bytes.LastIndexByte(window, '\n') + 1
	}
	if s.opts.MaxLine >= n {
		return n
	}
	// Some line may be over the limit: go from line start to line start, as far as lines
	// within the limit can reach each time, and stop where none can.
	for from := 0; from < n; {
		within := window[from:min(from+s.opts.MaxLine+1, n)]
		next := bytes.LastIndexByte(within, '\n') + 1
		switch {
		case next > 0:
			from += next
		case len(within) > s.opts.MaxLine:
			return from
		default:
			return n // a last line without its newline
		}
	}
	return n
}

// piece completes p with its place, and moves on to the next.
func (s *Splitter) piece(p Piece) Piece {
	p.Offset, p.FirstLine, p.Document = s.offset, s.line, s.opts.Document
	s.offset += p.Length
	s.line += p.Lines
	return p
}
