package split

import (
	"bytes"
	"io"
)

// beginning is how much is delivered of a line over the limit, in bytes.
const beginning = 1 << 10

// nextLong returns what begins the window and does not fit into it: a line, or the document.
// A line within the limit is held whole, in memory of its own.
func (s *Splitter) nextLong() (Piece, error) {
	window := s.buf[s.start:s.end]
	if i := s.newline(window); i >= 0 { // over a limit smaller than the window
		s.start += i + 1
		return s.alone(window[:i+1]), nil
	}
	s.start, s.end = 0, 0
	whole := bytes.Clone(window)
	limit := max(s.opts.MaxLine, beginning)
	for s.err == nil && len(whole) <= limit {
		whole = grow(whole, limit+1)
		// No more than fits into buf, which takes what follows the line.
		free := whole[len(whole):min(cap(whole), len(whole)+len(s.buf))]
		n := s.read(free)
		if i := s.newline(free[:n]); i >= 0 {
			s.end = copy(s.buf, free[i+1:n])
			return s.alone(whole[:len(whole)+i+1]), nil
		}
		whole = whole[:len(whole)+n]
	}
	if len(whole) > limit {
		return s.skip(bytes.Clone(whole[:beginning]), int64(len(whole)))
	}
	if s.err != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		return Piece{}, s.err
	}
	return s.alone(whole), nil
}

// grow makes room for at least one byte more, at most to a capacity of limit.
func grow(b []byte, limit int) []byte {
	if len(b) < cap(b) && cap(b) <= limit {
		return b
	}
	grown := make([]byte, len(b), min(max(2*len(b), beginning), limit))
	copy(grown, b)
	return grown
}

// skip reads to the end of what is too long, of which size bytes were read. Nothing of the
// rest is held.
func (s *Splitter) skip(body []byte, size int64) (Piece, error) {
	p := Piece{Lines: 1, Body: body, TooLong: true}
	for s.err == nil {
		n := s.read(s.buf)
		if i := s.newline(s.buf[:n]); i >= 0 {
			s.start, s.end = i+1, n
			p.Length = size + int64(i) + 1
			return s.piece(p), nil
		}
		size += int64(n)
		if s.look != nil && s.err == nil {
			s.err = s.look(s.offset + size)
		}
	}
	if s.err != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		return Piece{}, s.err
	}
	p.Length = size
	return s.piece(p), nil
}

// alone is the piece of one line, or the document, that is held whole.
func (s *Splitter) alone(whole []byte) Piece {
	p := Piece{Length: int64(len(whole)), Lines: 1, Body: whole}
	content := len(whole)
	if s.newline(whole) >= 0 {
		content--
	}
	if content > s.opts.MaxLine {
		p.TooLong, p.Body = true, whole[:min(len(whole), beginning)]
	}
	return s.piece(p)
}

// newline is the index of the first newline in b, -1 if there is none; in a document none
// counts.
func (s *Splitter) newline(b []byte) int {
	if s.opts.Document {
		return -1
	}
	return bytes.IndexByte(b, '\n')
}
