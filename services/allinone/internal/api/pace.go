package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// errSlow is that a request's body comes too slowly, or not at all.
var errSlow = errors.New("the content came too slowly")

// paced is a request's body that must come at a rate: while it is waited for, at least so many bytes come in each period. Time that
// it takes to do something with them does not count.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	period  time.Duration
	least   int64 // bytes in a period

	waited time.Duration // since least was last reached
	got    int64
	ended  bool

	mu      sync.Mutex
	stopped bool
}

// least is how many bytes must come, or go, in a period.
func (s *Server) least() int64 {
	return max(1, s.Inbox.MinRate*int64(s.Inbox.Idle/time.Second))
}

// paceBodies sees to it that no request's body is waited for without end, whoever sends it and whether anybody reads it:
// net/http itself waits for the rest of one that was answered early.
func (s *Server) paceBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			p := &paced{ReadCloser: r.Body, control: http.NewResponseController(w), period: s.Inbox.Idle, least: s.least()}
			p.allow(p.period)
			r.Body = p
		}
		next.ServeHTTP(w, r)
	})
}

// bodyOf is the body of a request that came through paceBodies, or an empty one.
func bodyOf(r *http.Request) *paced {
	if p, ok := r.Body.(*paced); ok {
		return p
	}
	return &paced{ReadCloser: http.NoBody}
}

// Read implements [io.Reader].
func (p *paced) Read(b []byte) (int, error) {
	if p.period > 0 && !p.ended {
		p.allow(max(1, p.period-p.waited))
	}
	begun := time.Now()
	n, err := p.ReadCloser.Read(b)
	p.waited += time.Since(begun)
	if p.got += int64(n); p.got >= p.least {
		p.waited, p.got = 0, 0
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errSlow
	case err == io.EOF: // a reader's end is io.EOF itself
		p.ended = true
		p.allow(0) // the answer may take longer
	}
	return n, err
}

// allow sets the deadline; 0 is none.
func (p *paced) allow(period time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.control == nil {
		return
	}
	var deadline time.Time
	if period > 0 {
		deadline = time.Now().Add(period)
	}
	_ = p.control.SetReadDeadline(deadline) // not possible in no server that we have
}

// lift waits for the rest as long as it takes.
func (p *paced) lift() {
	p.allow(0)
	p.period = 0
}

// stop ends the reading at once.
func (p *paced) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.control != nil {
		_ = p.control.SetReadDeadline(time.Unix(1, 0)) // not possible in no server that we have
	}
}

// failBody answers with why a body could not be read.
func failBody(w http.ResponseWriter, err error) {
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the request has more than %d bytes", tooLarge.Limit))
	case errors.Is(err, errSlow):
		w.Header().Set("Connection", "close")
		fail(w, http.StatusRequestTimeout, err)
	default:
		fail(w, http.StatusBadRequest, errors.New("the request did not arrive whole"))
	}
}

// pacedAnswer is an answer that must be taken at a rate: while it waits for the other side, at least so many bytes go in
// each period. Time that the answer takes to be made does not count.
type pacedAnswer struct {
	http.ResponseWriter
	control *http.ResponseController
	period  time.Duration
	least   int64 // bytes in a period

	waited time.Duration // since least was last reached
	sent   int64
}

func (s *Server) paceAnswer(w http.ResponseWriter) *pacedAnswer {
	return &pacedAnswer{ResponseWriter: w, control: http.NewResponseController(w), period: s.Inbox.Idle, least: s.least()}
}

// Write implements [http.ResponseWriter]. A large answer is sent in pieces, each of which has its time.
func (p *pacedAnswer) Write(b []byte) (n int, err error) {
	for err == nil && (n < len(b) || n == 0) {
		piece := b[n:min(len(b), n+int(min(max(p.least, 4<<10), 32<<10)))]
		begun := time.Now()
		_ = p.control.SetWriteDeadline(begun.Add(max(0, p.period-p.waited))) // not possible in no server that we have
		var more int
		more, err = p.ResponseWriter.Write(piece)
		n += more
		p.waited += time.Since(begun)
		if p.sent += int64(more); p.sent >= p.least {
			p.waited, p.sent = 0, 0
		}
		if len(b) == 0 {
			break
		}
	}
	_ = p.control.SetWriteDeadline(time.Now().Add(p.period)) // of what is still in net/http's buffer
	return n, err
}

// Unwrap is for [http.ResponseController].
func (p *pacedAnswer) Unwrap() http.ResponseWriter { return p.ResponseWriter }
