package api

import (
	"sync"
	"time"
)

// rates holds suppliers to the number of requests that their policies allow in a minute. Of a minute's
// allowance all may come at once. It is of this process, and forgets with it.
type rates struct {
	now func() time.Time // time.Now, but for tests

	mu      sync.Mutex
	buckets map[string]bucket
}

// bucket is how many requests a supplier has left, and since when.
type bucket struct {
	left float64
	at   time.Time
}

func newRates(now func() time.Time) *rates { return &rates{now: now, buckets: map[string]bucket{}} }

// take counts a request. Where there is none left, it returns how long it takes until there is one.
func (r *rates) take(c caller) (wait time.Duration, ok bool) {
	switch {
	case c.isNobody():
		return time.Minute, false
	case c.isOperator(), c.supplier.RequestsPerMinute == 0:
		return 0, true
	}
	perMinute := float64(c.supplier.RequestsPerMinute)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	b, seen := r.buckets[c.name()]
	if !seen {
		b = bucket{left: perMinute, at: now}
	}
	b.left = min(perMinute, b.left+now.Sub(b.at).Minutes()*perMinute)
	b.at = now
	if ok = b.left >= 1; ok {
		b.left--
	} else {
		wait = time.Duration((1 - b.left) / perMinute * float64(time.Minute))
	}
	r.buckets[c.name()] = b
	return wait, ok
}
