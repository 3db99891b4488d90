package bucket

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// Limits of a sweep.
const (
	maxWaiting = 10_000     // objects of a supplier that wait; the oldest, the next sweep finds the others
	maxSwept   = 10_000_000 // objects under a prefix
)

// sweeps sweeps all buckets, at once and then every few minutes.
func (r *room) sweeps(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		all, err := r.watched(ctx)
		r.say("suppliers", err)
		if err == nil {
			r.forgetOthers(all)
		}
		for _, s := range all {
			r.say(s.Name, r.sweep(ctx, s))
		}
		r.sayIgnored()
		timer.Reset(r.cfg.Sweep)
	}
}

// sweep finds what is new under a supplier's prefix.
func (r *room) sweep(ctx context.Context, s watched) error {
	var fresh queue
	var givenUp lost
	swept, passed := 0, 0
	err := r.store.List(ctx, s.Supplier, s.at, func(page []s3.Object) error {
		if swept += len(page); swept > maxSwept {
			return fmt.Errorf("more than %d objects under the prefix: remove what was imported long ago", maxSwept)
		}
		var objects []object
		for _, o := range page {
			name := strings.TrimPrefix(o.Key, s.at.Key)
			if source.Reason(name) == "" {
				objects = append(objects, newObject(s, o))
			} else if !strings.HasSuffix(name, "/") && name != "" { // else it stands for a folder
				passed++
			}
		}
		objects, given, err := r.unknown(ctx, objects)
		fresh.add(objects)
		givenUp.add(given)
		return err
	})
	if passed > 0 {
		r.say(s.Name+", names", fmt.Errorf("%d objects are not taken: they are hidden, or their ending is not one that is taken", passed))
	}
	if err == nil {
		r.say(s.Name+", given up", givenUp.problem())
	}
	r.wait(s, fresh.objects) // what was found before an error, too
	return err
}

// sayIgnored says how many events led to nothing.
func (r *room) sayIgnored() {
	r.mu.Lock()
	n := r.ignored
	r.ignored = ignored{}
	r.mu.Unlock()
	if n != (ignored{}) {
		r.cfg.Log.Warn().Int("outside", n.outside).Int("unreadable", n.unreadable).
			Msg("buckets: events were ignored, of objects under no supplier's prefix, or that could not be read")
	}
}
