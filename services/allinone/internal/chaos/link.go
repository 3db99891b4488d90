package chaos

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialLimit is for a server on the same machine.
const dialLimit = 5 * time.Second

// link is a proxy between one service and one server.
type link struct {
	name     string
	listener net.Listener
	target   func() (network, address string)

	turn sync.Mutex // one fault at a time
	now  atomic.Pointer[weather]

	mu     sync.Mutex
	pairs  map[*pair]bool
	closed bool
	wg     sync.WaitGroup
}

// weather is what passing bytes meet.
type weather struct {
	kind  kind // "" is fair
	over  chan struct{}
	left  atomic.Int64 // bytes until a cut
	delay time.Duration
}

// pair is one connection: its client's side and its server's.
type pair struct {
	client, server net.Conn
	severed        atomic.Bool // the server's side is gone and the client does not know
	deafened       atomic.Bool // the client did not get all of what the server sent
	once           sync.Once
	gone           chan struct{}
}

func newLink(name string, target func() (network, address string)) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	l := &link{name: name, listener: listener, target: target, pairs: map[*pair]bool{}}
	l.now.Store(&weather{})
	l.wg.Go(l.accept)
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		if l.now.Load().kind == refuse {
			reset(client)
			continue
		}
		network, address := l.target()
		server, err := net.DialTimeout(network, address, dialLimit)
		if err != nil {
			reset(client)
			continue
		}
		p := &pair{client: client, server: server, gone: make(chan struct{})}
		if !l.add(p) {
			p.end()
			return
		}
		var both sync.WaitGroup
		both.Go(func() { l.pump(p, server, client, true) })
		both.Go(func() { l.pump(p, client, server, false) })
		l.wg.Go(func() { both.Wait(); l.remove(p) })
	}
}

func (l *link) add(p *pair) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pairs[p] = true
	return !l.closed
}

func (l *link) remove(p *pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, p)
}

func (l *link) all() (pairs []*pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.pairs {
		pairs = append(pairs, p)
	}
	return pairs
}

// pump copies one direction until either side ends; up is towards the server.
func (l *link) pump(p *pair, to, from net.Conn, up bool) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.pass(p, to, buf[:n], up) {
			break
		}
		if err != nil {
			break
		}
	}
	// The news of an end get through no better than bytes do.
	for w := l.now.Load(); w.kind == hole || p.severed.Load(); w = l.now.Load() {
		if !p.await(w) {
			break
		}
	}
	p.end()
}

// pass hands bytes on, or does not; false ends the connection.
func (l *link) pass(p *pair, to net.Conn, b []byte, up bool) bool {
	if p.severed.Load() {
		return up // swallowed
	}
	w := l.now.Load()
	for w.kind == hole {
		if !p.await(w) {
			return false
		}
		w = l.now.Load()
	}
	if !up && (w.kind == deaf || p.deafened.Load()) {
		p.deafened.Store(true) // nor may it get what comes behind what was lost
		return true
	}
	switch w.kind {
	case slow:
		timer := time.NewTimer(w.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.gone:
			return false
		}
	case cut:
		if left := w.left.Add(-int64(len(b))); left < 0 {
			_, _ = to.Write(b[:max(0, int64(len(b))+left)]) // reset anyway
			return false
		}
	}
	_, err := to.Write(b)
	return err == nil
}

// await waits for other weather; false when the connection ended before.
func (p *pair) await(w *weather) bool {
	if w.over == nil {
		return false
	}
	select {
	case <-w.over:
		return true
	case <-p.gone:
		return false
	}
}

func (p *pair) end() {
	p.once.Do(func() {
		close(p.gone)
		reset(p.client)
		reset(p.server)
	})
}

// reset closes a connection so that the other side sees an error, not an end.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may be closed
	}
	_ = c.Close() // it may be closed
}

// suffer implements part.
func (l *link) suffer(ctx context.Context, f fault) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	w := &weather{kind: f.kind, over: make(chan struct{}), delay: time.Duration(1+f.chance%100) * time.Millisecond}
	w.left.Store(int64(f.chance % (64 << 10)))
	l.now.Store(w)
	switch f.kind {
	case refuse:
		l.endAll()
	case halfOpen:
		for _, p := range l.all() {
			p.severed.Store(true)
			reset(p.server)
		}
	}
	wait(ctx, f.length)
	l.now.Store(&weather{})
	close(w.over)
	if f.kind == halfOpen || f.kind == deaf || f.kind == cut {
		l.endAll()
	}
	return nil
}

func (l *link) endAll() {
	for _, p := range l.all() {
		p.end()
	}
}

// close ends all connections and waits for their goroutines.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.listener.Close() // nobody is interested in why not
	l.endAll()
	l.wg.Wait()
}
