package api

import (
	"context"
	"sync"
)

// holders sees to it that one request at a time writes to an upload. A later one ends an earlier one: its
// client is the same, and would not send it if the earlier had not been cut off.
type holders struct {
	mu sync.Mutex
	of map[string]holder
}

type holder struct {
	stop func()
	done chan struct{}
}

// hold waits until nobody else holds a name. Stop is called when another one wants it. Ok is false if the context ended first.
func (h *holders) hold(ctx context.Context, name string, stop func()) (release func(), ok bool) {
	for {
		h.mu.Lock()
		before, held := h.of[name]
		if !held {
			break
		}
		h.mu.Unlock()
		before.stop()
		select {
		case <-before.done:
		case <-ctx.Done():
			return nil, false
		}
	}
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[string]holder{}
	}
	mine := holder{stop, make(chan struct{})}
	h.of[name] = mine
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.of, name)
		close(mine.done)
	}, true
}
