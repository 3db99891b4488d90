package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Collector removes objects that no message names any more: the message was acknowledged from a
// queue, or trimmed, or the process that put the object ended before it published the message.
// It reads each message once, and none while all objects are known to be named. Parts that no object has, of processes that ended
// while they put one, go when they are twice as old. Where rejects keep too much, the oldest ones go. Any number of collectors may run.
//
// Why none goes that is named, or about to be: the collector lists objects older than
// collectAfter, then looks for messages that name them, then removes that revision of the
// object and no later one. A publisher trusts an object that is younger than half of that, and
// puts an older one anew, as a new revision. If it takes less than half of
// collectAfter until its message is stored, the message was there before the object was listed,
// and was seen. If it takes longer, as on a full queue or in a process that was stopped, the
// publisher puts the object again after its message is stored, before it says that it is; who reads the
// message meanwhile waits for the object. Parts that were removed while an object was put are noticed by who puts it: each part, and the
// description, is stored only if the part before is there. A publisher that ends before that
// has not acknowledged what it works on, which is published again.
type Collector struct {
	bus     *Bus
	scanned map[string]position // by stream: up to where names are known
	named   map[string][]naming // by object
}

// position is a place in a stream, of which there may be another one of the same name later.
type position struct {
	created  time.Time
	sequence uint64
}

// naming is a message that names an object.
type naming struct {
	stream   string
	sequence uint64
}

// NewCollector makes a collector. It is for one goroutine.
func (b *Bus) NewCollector() *Collector {
	return &Collector{bus: b, scanned: map[string]position{}, named: map[string][]naming{}}
}

// Collect removes what can be removed now, and returns how many objects that were.
func (c *Collector) Collect(ctx context.Context) (removed int, err error) {
	stream, err := c.bus.js.Stream(ctx, largeStream)
	if err != nil {
		return 0, fmt.Errorf("collect: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return 0, fmt.Errorf("collect: %w", err)
	}
	objects, unnamed, err := c.objects(ctx, stream, info)
	if err == nil {
		err = c.forget(ctx, objects)
	}
	if err != nil {
		return 0, fmt.Errorf("collect: %w", err)
	}
	if len(unnamed) > 0 {
		if removed, err = c.remove(ctx, stream, unnamed); err != nil {
			return removed, fmt.Errorf("collect: %w", err)
		}
	}
	resources, err := c.bus.js.Stream(ctx, fhirmsg.StreamResources)
	if err == nil {
		err = c.relieve(ctx, objects, int64(rejectsMost*float64(c.bus.largeLimit(resources.CachedInfo()))))
	}
	if err == nil {
		err = c.sweep(ctx, stream, info, objects)
	}
	if err != nil {
		return removed, fmt.Errorf("collect: %w", err)
	}
	return removed, nil
}

// forget forgets the messages of objects that another collector removed. Those that are still there may wait for their object, which
// its publisher is about to put again.
func (c *Collector) forget(ctx context.Context, objects []object) error {
	listed := map[string]bool{}
	for _, o := range objects {
		listed[o.Name] = true
	}
	for name := range c.named {
		if listed[name] {
			continue
		}
		if _, err := c.isNamed(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// remove removes those objects of which no message is found that names them.
func (c *Collector) remove(ctx context.Context, stream jetstream.Stream, unnamed []object) (removed int, err error) {
	for _, s := range fhirmsg.Streams() {
		if s.Name == fhirmsg.StreamDeliver {
			continue // others write there, and what they name is nothing to us
		}
		if err := c.scan(ctx, s); err != nil {
			return 0, fmt.Errorf("read %s: %w", s.Name, err)
		}
	}
	for _, o := range unnamed {
		isNamed, err := c.isNamed(ctx, o.Name)
		if err != nil {
			return removed, err
		}
		if isNamed {
			continue
		}
		if err := remove(ctx, stream, o); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// remove removes a revision of an object and no later one: a later one has content of its own.
// The content goes first: who ends in between leaves an old object, which is put anew by who
// needs it, and removed the next time if nobody does.
func remove(ctx context.Context, stream jetstream.Stream, o object) error {
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(partPrefix+o.NUID)); err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSubject(o.subject), jetstream.WithPurgeSequence(o.sequence+1))
}

// objects returns all objects, and those of them that are old enough and not known to be named.
func (c *Collector) objects(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) (all, unnamed []object, err error) {
	for subject := range info.State.Subjects {
		if !strings.HasPrefix(subject, metaPrefix) {
			continue
		}
		o, err := c.bus.lastObject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // another collector was faster
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, o)
		if info.TimeStamp.Sub(o.at) < c.bus.collectAfter { // both are the server's time
			continue
		}
		if isNamed, err := c.isNamed(ctx, o.Name); err != nil {
			return nil, nil, err
		} else if !isNamed {
			unnamed = append(unnamed, o)
		}
	}
	return all, unnamed, nil
}

// sweep removes parts that no object has, once the last of them is so old that no further one is about to come.
func (c *Collector) sweep(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, objects []object) error {
	whole := map[string]bool{}
	for _, o := range objects {
		whole[partPrefix+o.NUID] = true
	}
	for subject := range info.State.Subjects {
		name, ours := objectOf(subject)
		if whole[subject] || !ours || !strings.HasPrefix(subject, partPrefix) {
			continue
		}
		last, err := c.bus.fromLeader(ctx, which{Last: subject})
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // of an earlier revision, and removed meanwhile
		}
		if err != nil {
			return err
		}
		if info.TimeStamp.Sub(last.Time) < 2*c.bus.collectAfter {
			continue
		}
		o, err := c.bus.lastObject(ctx, metaSubject(name))
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		if partPrefix+o.NUID == subject {
			continue // it was not listed: the list is made piece by piece
		}
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return err
		}
	}
	return nil
}

// rejectsMost is the share of what objects may have that those of rejects may have. Rejects are kept, and a few large ones that
// are never trimmed would leave no room for others.
const rejectsMost = 0.5

// relieve removes the oldest rejects, up to the last one by which the objects of those that stay have no more than so many bytes.
func (c *Collector) relieve(ctx context.Context, objects []object, most int64) error {
	stream, err := c.bus.js.Stream(ctx, fhirmsg.StreamRejects)
	if err != nil {
		return err
	}
	sizes := map[uint64]int64{} // by the last reject that names an object
	total := int64(0)
	for _, o := range objects {
		last := uint64(0)
		for _, n := range c.named[o.Name] {
			if n.stream == fhirmsg.StreamRejects {
				last = max(last, n.sequence)
			}
		}
		if last >= max(stream.CachedInfo().State.FirstSeq, 1) {
			sizes[last] += int64(o.Size)
			total += int64(o.Size)
		}
	}
	upTo := uint64(0)
	for _, sequence := range slices.Sorted(maps.Keys(sizes)) {
		if total <= most {
			break
		}
		total -= sizes[sequence]
		upTo = sequence + 1
	}
	return purgeRecorded(ctx, stream, upTo)
}

// isNamed reports whether a message that is known to name an object is still there. If none is, they are forgotten.
func (c *Collector) isNamed(ctx context.Context, name string) (bool, error) {
	for _, n := range c.named[name] {
		stream, err := c.bus.js.Stream(ctx, n.stream)
		if err != nil {
			return false, err
		}
		msg, err := stream.GetMsg(ctx, n.sequence)
		if err == nil && msg.Header.Get(headerObject) == name {
			return true, nil
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return false, err
		}
	}
	delete(c.named, name)
	return false, nil
}

// scan learns which objects the messages name that came since the last time.
func (c *Collector) scan(ctx context.Context, s fhirmsg.Stream) error {
	stream, err := c.bus.js.Stream(ctx, s.Name)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	at := c.scanned[s.Name]
	if !at.created.Equal(info.Created) {
		at = position{created: info.Created}
	}
	err = c.bus.heads(ctx, s, at.sequence, info.State.LastSeq, func(sequence uint64, header nats.Header) {
		if name := header.Get(headerObject); name != "" {
			c.named[name] = append(c.named[name], naming{s.Name, sequence})
		}
		at.sequence = sequence
	})
	if err == nil {
		at.sequence = max(at.sequence, info.State.LastSeq)
	}
	c.scanned[s.Name] = at
	return err
}

// heads hands over the headers of what a stream has behind a sequence, at least up to another one, oldest first.
func (b *Bus) heads(ctx context.Context, s fhirmsg.Stream, after, last uint64, each func(sequence uint64, header nats.Header)) error {
	if after >= last {
		return nil
	}
	stream, err := b.js.Stream(ctx, s.Name)
	if err != nil {
		return err
	}
	if s.Queue { // which sends nothing to others than its consumers, and has little for a short time
		for after < last {
			msg, err := stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(s.Subjects[0]))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			each(msg.Sequence, msg.Header)
			after = msg.Sequence
		}
		return nil
	}
	follower, err := b.Follow(ctx, s.Name, "", after+1, true)
	if err != nil {
		return err
	}
	defer follower.Close()
	for after < last {
		head, err := follower.Next(ctx, readWait)
		if err != nil {
			return err
		}
		if head != nil {
			each(head.Sequence, head.Header)
			after = head.Sequence
			continue
		}
		// None came: perhaps since all were removed meanwhile.
		_, err = stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
