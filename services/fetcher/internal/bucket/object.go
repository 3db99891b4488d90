package bucket

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// MaxAttempts is how many imports a state of an object gets that fail, the first included.
const MaxAttempts = 3

// waits are from the failure of an attempt to the next one: for a store that was away for a moment, and for one that somebody has to mend.
var waits = [MaxAttempts - 1]time.Duration{15 * time.Minute, 4 * time.Hour}

// object is a state of an object, and the import that it is.
type object struct {
	s3.Object
	supplier, bucket string
	once             bool // is not tried again
	attempt          int  // from 1 on
	first            fhirmsg.ImportID
	id               fhirmsg.ImportID // of the attempt
	accepted         bool             // the import was, and may not have been asked for
}

// newObject is the first attempt. Of a supplier whose deliveries are snapshots it is the only one: the next delivery has all that there is,
// and an older one that came behind it would bring back what it lacks.
func newObject(s watched, o s3.Object) object {
	one := object{Object: o, supplier: s.Name, bucket: s.at.Bucket, once: s.Snapshot}.next()
	one.first = one.id
	return one
}

// next is the next attempt.
func (o object) next() object {
	o.attempt++
	// No key of a request has a byte 0, which cannot be in a header.
	state := []string{"s3", o.bucket, o.Key, o.ETag, o.Modified.UTC().Format(time.RFC3339)}
	if o.attempt > 1 {
		state = append(state, strconv.Itoa(o.attempt))
	}
	o.id = fhirmsg.ImportIDFromKey(o.supplier, strings.Join(state, "\x00"))
	return o
}

func idsOf(objects []object) []fhirmsg.ImportID {
	ids := make([]fhirmsg.ImportID, len(objects))
	for i, o := range objects {
		ids[i] = o.id
	}
	return ids
}

// unknown are those of which no import is under way or has ended, as the attempt that is due; given are those that were given up.
func (r *room) unknown(ctx context.Context, objects []object) (fresh, given []object, err error) {
	for len(objects) > 0 {
		states, err := r.imports.States(ctx, idsOf(objects))
		if err != nil {
			return fresh, given, err
		}
		failed := r.partition(objects, states, &fresh)
		due, up, err := r.again(ctx, failed)
		if err != nil {
			return fresh, given, err
		}
		objects, given = due, append(given, up...)
	}
	return fresh, given, nil
}

// partition adds those that no import is known of to fresh, and returns those that failed.
func (r *room) partition(objects []object, states map[fhirmsg.ImportID]ledger.State, fresh *[]object) (failed []object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range objects {
		state, known := states[o.id]
		switch {
		case known && state != ledger.StateAccepted:
			delete(r.requested, o.id)
		case !r.requested[o.id]:
			o.accepted = known // by a process that may have been killed before it asked
			*fresh = append(*fresh, o)
		}
		if state == ledger.StateFailed {
			failed = append(failed, o)
		}
	}
	return failed
}

// again returns what is to be tried again of what failed, and what was given up. The rest has to wait, or was discarded.
func (r *room) again(ctx context.Context, failed []object) (due, given []object, err error) {
	if len(failed) == 0 {
		return nil, nil, nil
	}
	failures, err := r.imports.Failures(ctx, idsOf(failed))
	if err != nil {
		return nil, nil, err
	}
	for _, o := range failed {
		at, is := failures[o.id]
		switch {
		case !is:
		case o.once, o.attempt == MaxAttempts:
			given = append(given, o)
		case r.now().Sub(at) >= waits[o.attempt-1]:
			due = append(due, o.next())
		}
	}
	return due, given, nil
}

// lost counts what was given up, and has some of the imports that failed last.
type lost struct {
	n    int
	some []string
}

func (l *lost) add(objects []object) {
	l.n += len(objects)
	for _, o := range objects[:min(len(objects), 3-len(l.some))] {
		l.some = append(l.some, o.id.String())
	}
}

// problem says what was given up and what to do, nil where there is nothing.
func (l *lost) problem() error {
	if l.n == 0 {
		return nil
	}
	return fmt.Errorf("%d objects were given up, since their imports failed, such as %s: stoker status tells why; have them put there anew, or import them by hand",
		l.n, strings.Join(l.some, ", "))
}
