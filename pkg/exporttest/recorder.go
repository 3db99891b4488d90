package exporttest

import (
	"net/http"
	"slices"
	"sync"
)

// Answer is one that is given instead of the usual one.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
}

// Recorder is what servers for tests have in common: it keeps how a server behaves, O, and what it was asked, R, by kinds of requests;
// and it holds answers back, or has others given.
type Recorder[O, R any] struct {
	mu    sync.Mutex
	opts  O
	asked []recorded[R]
	next  map[string][]Answer
	stall chan struct{} // until it is closed answers wait; nil: they do not
	free  int           // of those that ask, so many that do not wait
}

type recorded[R any] struct {
	kind    string
	request R
}

// Set changes how the server behaves from now on.
func (r *Recorder[O, R]) Set(change func(*O)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.opts)
}

// Options are how the server behaves now.
func (r *Recorder[O, R]) Options() O {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opts
}

// Next has the next requests of a kind answered so, one after the other.
func (r *Recorder[O, R]) Next(kind string, answers ...Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = map[string][]Answer{}
	}
	r.next[kind] = append(r.next[kind], answers...)
}

// Asked returns the requests of some kinds, or all, in their order.
func (r *Recorder[O, R]) Asked(kinds ...string) (list []R) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		if len(kinds) == 0 || slices.Contains(kinds, a.kind) {
			list = append(list, a.request)
		}
	}
	return list
}

// Stall has what the server holds back wait until Release, but for so many that come first.
func (r *Recorder[O, R]) Stall(free int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stall == nil {
		r.stall, r.free = make(chan struct{}), free
	}
}

// Release lets go on what waits, and what comes.
func (r *Recorder[O, R]) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stall != nil {
		close(r.stall)
		r.stall = nil
	}
}

// Stalled is what something that is held back waits for, until it is closed; nil is that it does not wait.
func (r *Recorder[O, R]) Stalled() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free--; r.free >= 0 {
		return nil
	}
	return r.stall
}

// Record keeps a request, and tells how the server behaves then; instead is nil for the usual answer. Headers of another one are set.
func (r *Recorder[O, R]) Record(w http.ResponseWriter, kind string, request R) (opts O, instead *Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, recorded[R]{kind, request})
	if waiting := r.next[kind]; len(waiting) > 0 {
		instead, r.next[kind] = &waiting[0], waiting[1:]
		for name, value := range instead.Header {
			w.Header().Set(name, value)
		}
	}
	return r.opts, instead
}
