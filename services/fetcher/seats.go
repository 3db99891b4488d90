package fetcher

import "sync"

// seats are the imports that this process fetches, by supplier, so that no supplier with many imports keeps
// others from beginning theirs.
type seats struct {
	each int // of a supplier; 0 is without limit

	mu    sync.Mutex
	taken map[string]int
}

// take takes a seat, if the supplier may have another one. The caller gives it back.
func (s *seats) take(supplier string) (back func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.each > 0 && s.taken[supplier] >= s.each {
		return nil, false
	}
	if s.taken == nil {
		s.taken = map[string]int{}
	}
	s.taken[supplier]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.taken[supplier]--; s.taken[supplier] == 0 {
			delete(s.taken, supplier)
		}
	}, true
}
