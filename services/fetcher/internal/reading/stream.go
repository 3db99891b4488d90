package reading

import (
	"context"
	"io"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// Stream reads what r gives, such as standard input, as the content of a file. It cannot be
// opened again later, and its State has no validator. Reading ends with the context, even while
// r gives nothing; a Read of r that is under way then goes on, and what it gives is dropped.
func Stream(ctx context.Context, r io.Reader, opts Options) (*Reading, error) {
	in, out := io.Pipe()
	go func() {
		_, err := io.Copy(out, r)
		_ = out.CloseWithError(err) // never fails; nil is io.EOF
	}()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	return begin(&stream{ctx: ctx, pipe: in, stop: stop}, opts)
}

// stream is an origin whose errors stay, as those of a source.Reader do.
type stream struct {
	ctx    context.Context // of the one who opened it: a Read has no other way to end with it
	pipe   *io.PipeReader
	stop   func() bool
	offset int64
	err    error
}

func (s *stream) Read(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.pipe.Read(p)
	if s.ctx.Err() != nil && s.err != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		s.err = s.ctx.Err() // the pipe tells its own closing
	}
	s.offset += int64(n)
	return n, s.err
}

func (s *stream) Offset() int64 { return s.offset }

// Close ends the reading. What r gives from then on is dropped.
func (s *stream) Close() error {
	s.stop()
	return s.pipe.Close()
}

var _ origin = (*source.Reader)(nil)
