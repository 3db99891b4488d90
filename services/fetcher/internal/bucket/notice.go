package bucket

import (
	"context"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// notice looks at the objects that a message of events names.
func (r *room) notice(ctx context.Context, message []byte) {
	events, _, err := s3.ParseEvents(message)
	if err != nil {
		r.ignore(ignored{unreadable: 1})
		return
	}
	all, err := r.watched(ctx)
	r.say("suppliers", err)
	if err != nil {
		return // the next sweep finds it
	}
	for _, e := range events {
		covered := false
		for _, s := range all {
			for _, key := range e.Candidates() {
				if !s.at.Covers(e.Bucket, key) {
					continue
				}
				covered = true
				found, err := r.look(ctx, s, key)
				r.say(s.Name+", after an event", err)
				if found {
					break
				}
			}
		}
		if !covered {
			r.ignore(ignored{outside: 1})
		}
	}
}

// look finds out whether an object is there, and whether it is new.
func (r *room) look(ctx context.Context, s watched, key string) (found bool, err error) {
	if source.Reason(strings.TrimPrefix(key, s.at.Key)) != "" {
		return false, nil
	}
	o, err := r.store.Find(ctx, s.Supplier, s3.Location{Bucket: s.at.Bucket, Key: key})
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fresh, _, err := r.unknown(ctx, []object{newObject(s, o)})
	r.wait(s, fresh)
	return true, err
}

func (r *room) ignore(n ignored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ignored.outside += n.outside
	r.ignored.unreadable += n.unreadable
}
