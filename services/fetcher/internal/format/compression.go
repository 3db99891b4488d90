package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression names how a file is compressed. It is stored, so its values stay.
type Compression string

// The compressions.
const (
	None Compression = ""
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// bufferSize is what is read from the source at once at the least, in bytes.
const bufferSize = 64 << 10

// maxZstdWindow is the greatest window of zstd that is decoded, in bytes: what its command
// line tool accepts too. A decoder takes no more memory than about this, and what the file
// asks for is mostly far less.
const maxZstdWindow = 128 << 20

// maxRatio is how many times its compressed size content may have, once it has more than
// ratioFrom bytes. gzip reaches 1,032 with nothing but zeros and zstd far more; ndjson that is
// worth storing stays below 100.
const (
	maxRatio  = 500
	ratioFrom = 64 << 20
)

// maxHollow is how many bytes more than its content may be what is compressed. Frames that hold nothing may follow each
// other without end, and the decoder then has nothing to return by which anybody could stop it.
const maxHollow = 64 << 20

// Errors of content that cannot be decompressed to its end.
var (
	ErrDamaged   = errors.New("the compressed content is damaged")
	ErrTruncated = errors.New("the compressed content is cut short")
	ErrHollow    = errors.New("the compressed content holds next to nothing")
	ErrRatio     = fmt.Errorf("the content is more than %d times its compressed size, as nothing but a decompression bomb is", maxRatio)
)

// Input is the bytes of a file as they are at its source. It is for one goroutine.
type Input struct {
	src source
	buf *bufio.Reader
}

// NewInput returns the input that r holds from its beginning. Errors of r must stay.
func NewInput(r io.Reader) *Input {
	in := &Input{src: source{r: r}}
	in.buf = bufio.NewReaderSize(&in.src, bufferSize)
	return in
}

// Detect tells the compression by the first bytes, and leaves them to be read. Errors come
// when they are.
func (in *Input) Detect() Compression {
	beginning, _ := in.buf.Peek(4) // what can be had; the error stays with the source
	switch {
	case bytes.HasPrefix(beginning, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(beginning, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	case len(beginning) == 4 && beginning[0]&0xf0 == 0x50 && bytes.Equal(beginning[1:], []byte{0x2a, 0x4d, 0x18}):
		return Zstd // a skippable frame, which parallel compressors begin with
	default:
		return None
	}
}

// Decompress returns the content. Reading it gives [ErrDamaged], [ErrTruncated], [ErrRatio], [ErrHollow] or the errors
// of the source as they came, each after what could be decoded. Closing it frees the
// decoder's memory and leaves the source alone.
func (in *Input) Decompress(c Compression) (io.ReadCloser, error) {
	switch c {
	case None:
		return io.NopCloser(in.buf), nil
	case Gzip:
		return &decompressor{in: in, open: openGzip}, nil
	case Zstd:
		return &decompressor{in: in, open: openZstd}, nil
	default:
		return nil, fmt.Errorf("unknown compression %q", c)
	}
}

func openGzip(r io.Reader) (io.ReadCloser, error) {
	d, err := gzip.NewReader(r)
	if err != nil {
		return nil, err // d is nil, but no nil io.ReadCloser
	}
	return d, nil
}

func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// decompressor opens its decoder with the first read, since that reads, and tells errors of
// the source from those of the content.
type decompressor struct {
	in   *Input
	open func(io.Reader) (io.ReadCloser, error)
	dec  io.ReadCloser
	out  int64 // bytes decoded
	err  error
}

func (d *decompressor) Read(p []byte) (n int, err error) {
	if d.err != nil {
		return 0, d.err
	}
	d.in.src.most = d.out + maxHollow
	if d.dec == nil {
		if d.dec, err = d.open(d.in.buf); err == io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
			err = io.ErrUnexpectedEOF // not even a header
		}
	}
	if err == nil {
		n, err = d.dec.Read(p)
	}
	if d.out += int64(n); d.out > ratioFrom && d.out > maxRatio*d.in.src.read {
		d.err = ErrRatio
		return 0, d.err
	}
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // a reader's end is io.EOF itself
		d.err = err
	case d.in.src.err != nil:
		d.err = d.in.src.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		d.err = ErrTruncated
	default:
		d.err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, d.err
}

// Close frees the decoder.
func (d *decompressor) Close() error {
	if d.dec != nil {
		_ = d.dec.Close() // repeats what reading returned
	}
	return nil
}

// source remembers the error that reading ended with; io.EOF is none.
type source struct {
	r    io.Reader
	read int64 // bytes
	most int64 // of them; 0: any number
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if s.most > 0 && s.read > s.most {
		s.err = ErrHollow
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
