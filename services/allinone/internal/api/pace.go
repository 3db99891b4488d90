package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// errSlow is that a request's body comes too slowly, or not at all.
var errSlow = errors.New("the content came too slowly")

// paced is a request's body that must come at a rate: at least so many bytes in each period.
type paced struct {
	io.Reader
	control *http.ResponseController
	period  time.Duration
	least   int64 // bytes in a period

	got int64 // in this period

	mu      sync.Mutex
	stopped bool
}

func (s *Server) pace(w http.ResponseWriter, r *http.Request) *paced {
	p := &paced{Reader: r.Body, control: http.NewResponseController(w), period: s.Inbox.Idle}
	p.least = max(1, s.Inbox.MinRate*int64(p.period/time.Second))
	p.allow(p.period)
	return p
}

// Read implements [io.Reader].
func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.got += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errSlow
	case err == io.EOF: // a reader's end is io.EOF itself
		p.allow(0) // the answer may take longer
	case p.got >= p.least:
		p.got = 0
		p.allow(p.period)
	}
	return n, err
}

// allow sets the deadline; 0 is none.
func (p *paced) allow(period time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	var deadline time.Time
	if period > 0 {
		deadline = time.Now().Add(period)
	}
	_ = p.control.SetReadDeadline(deadline) // not possible in no server that we have
}

// stop ends the reading at once.
func (p *paced) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.control.SetReadDeadline(time.Unix(1, 0)) // not possible in no server that we have
}
