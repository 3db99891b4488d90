package outbound

import (
	"context"
	"errors"
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
	least  int64 // bytes in each idle's time of waiting
	left   int64 // of the limit; negative: none
	timer  *time.Timer

	waited time.Duration // since least was last reached
	got    int64
	err    error // it stays
}

// newBody watches rc. least is in bytes in the time idle, and most in bytes altogether, 0 for no limit.
func newBody(ctx context.Context, cancel context.CancelCauseFunc, rc io.ReadCloser, idle time.Duration, least, most int64) *body {
	timer := time.AfterFunc(idle, func() { cancel(ErrIdle) })
	timer.Stop()
	if most == 0 {
		most = -1
	}
	return &body{ctx: ctx, cancel: cancel, rc: rc, idle: idle, least: least, left: most, timer: timer}
}

func (b *body) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	b.timer.Reset(b.idle)
	start := time.Now()
	n, err = b.rc.Read(p)
	b.timer.Stop()
	n, b.err = b.judge(n, err, time.Since(start))
	return n, b.err
}

// judge decides what becomes of a read of so many bytes.
func (b *body) judge(n int, err error, waited time.Duration) (int, error) {
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			return 0, ErrTooLarge
		}
	}
	b.waited += waited
	b.got += int64(n)
	switch {
	case err == io.EOF: //nolint:errorlint // an end is io.EOF itself
		return n, io.EOF
	case err != nil:
		return n, b.brokenOff(err)
	case b.got >= b.least:
		b.waited, b.got = 0, 0
	case b.waited > b.idle:
		return n, ErrSlow
	}
	return n, nil
}

// brokenOff is the error for an answer that began well.
func (b *body) brokenOff(err error) error {
	switch cause := context.Cause(b.ctx); {
	case errors.Is(cause, ErrIdle):
		return ErrIdle
	case cause != nil:
		return cause
	default:
		return &Unanswered{"the connection broke off", err}
	}
}

// Close ends the request.
func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	_ = b.rc.Close() // the request was cancelled; there is nothing to learn
	return nil
}
