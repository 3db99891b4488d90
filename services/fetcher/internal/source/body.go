package source

import (
	"context"
	"io"
	"time"
)

// body is an answer's content, watched while it is waited for. Time that the reader takes for
// itself does not count: a full queue may keep it for hours.
type body struct {
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	rc     io.ReadCloser
	idle   time.Duration
	timer  *time.Timer
}

func newBody(ctx context.Context, cancel context.CancelCauseFunc, rc io.ReadCloser, idle time.Duration) *body {
	timer := time.AfterFunc(idle, func() { cancel(errIdle) })
	timer.Stop()
	return &body{ctx: ctx, cancel: cancel, rc: rc, idle: idle, timer: timer}
}

func (b *body) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.rc.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF && b.ctx.Err() != nil { //nolint:errorlint // an end is io.EOF itself
		err = context.Cause(b.ctx)
	}
	return n, err
}

func (b *body) close() {
	b.timer.Stop()
	b.cancel(nil)
	_ = b.rc.Close() // the request was cancelled; there is nothing to learn
}
