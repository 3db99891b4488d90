package bucket

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// maxOpen is how many imports of a supplier are under way at once, where its policy does not say.
const maxOpen = 16

// interval is between two looks whether imports have ended, while something waits.
const interval = 200 * time.Millisecond

// maxRequested is how many requests of this process are remembered; a request that is made again changes nothing.
const maxRequested = 100_000

// queue is what of a supplier waits, the oldest first.
type queue struct {
	open    int // imports that may be under way at once
	objects []object
}

// add adds objects that are not there yet.
func (q *queue) add(objects []object) {
	q.objects = append(q.objects, objects...)
	if len(q.objects) > 2*maxWaiting {
		q.sort()
	}
}

func (q *queue) sort() {
	slices.SortFunc(q.objects, func(a, b object) int {
		return cmp.Or(a.Modified.Compare(b.Modified), strings.Compare(a.Key, b.Key), strings.Compare(a.ETag, b.ETag))
	})
	q.objects = slices.CompactFunc(q.objects, func(a, b object) bool { return a.id == b.id })
	q.objects = q.objects[:min(len(q.objects), maxWaiting)]
}

// wait puts what was found behind what is older.
func (r *room) wait(s watched, objects []object) {
	if len(objects) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.waiting[s.Name]
	if q == nil {
		q = &queue{}
		r.waiting[s.Name] = q
	}
	q.open = cmp.Or(s.MaxImports, maxOpen)
	q.add(slices.DeleteFunc(objects, func(o object) bool { return r.requested[o.id] }))
	q.sort()
	select {
	case r.found <- struct{}{}:
	default: // it is said already
	}
}

// forgetOthers drops what waits of suppliers that have no bucket any more.
func (r *room) forgetOthers(all []watched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.waiting, func(name string, _ *queue) bool {
		return !slices.ContainsFunc(all, func(s watched) bool { return s.Name == name })
	})
}

// handOver asks for the imports of what waits, as others end.
func (r *room) handOver(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.found:
		case <-ticker.C:
		}
		for _, supplier := range r.suppliersWaiting() {
			r.say(supplier+", imports", r.hand(ctx, supplier))
		}
	}
}

func (r *room) suppliersWaiting() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.waiting))
}

// hand asks for as many imports of a supplier as may be under way.
func (r *room) hand(ctx context.Context, supplier string) error {
	open, err := r.imports.OpenImports(ctx, supplier)
	if err != nil {
		return err
	}
	for {
		o, ok := r.first(supplier, open)
		if !ok {
			return nil
		}
		if err := r.imports.Request(ctx, fhirmsg.ImportRequest{
			ID: o.id, Supplier: supplier,
			Sources: []fhirmsg.Source{{URL: s3.Location{Bucket: o.bucket, Key: o.Key}.String(), ETag: o.ETag}},
		}, ledger.Place{First: o.first, Attempt: o.attempt}); err != nil {
			return err
		}
		r.handed(supplier, o)
		if !o.accepted {
			open++
		}
	}
}

// first is the oldest that waits, where so many imports under way leave room for it. One that was accepted is
// among them, and needs none.
func (r *room) first(supplier string, open int) (o object, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.waiting[supplier]
	if q == nil {
		return o, false
	}
	if len(q.objects) == 0 {
		delete(r.waiting, supplier)
		return o, false
	}
	if i := slices.IndexFunc(q.objects, func(o object) bool { return o.accepted }); i >= 0 {
		return q.objects[i], true
	}
	return q.objects[0], open < q.open
}

// handed takes note that an import was asked for.
func (r *room) handed(supplier string, o object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requested) >= maxRequested {
		clear(r.requested)
	}
	r.requested[o.id] = true
	if q := r.waiting[supplier]; q != nil {
		q.objects = slices.DeleteFunc(q.objects, func(other object) bool { return other.id == o.id })
	}
}
