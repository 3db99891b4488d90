package operate

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
)

// Streams is what waits in the queues, and how far back a replay can go.
type Streams struct {
	Streams   []bus.StreamSize `json:"streams"`
	WholeFrom uint64           `json:"whole_from"` // RESOURCES has every message from this sequence on
	WholeTime *time.Time       `json:"whole_time,omitempty"`
	Reach     []Reach          `json:"reach"`

	// RestoreSince is since when all is kept that a restore of the database needs; nil is from the beginning.
	RestoreSince *time.Time `json:"restore_since,omitempty"`
}

// Reach is what RESOURCES has of one type of a dataset.
type Reach struct {
	Dataset  string    `json:"dataset"`
	Type     string    `json:"type"`
	Messages uint64    `json:"messages"`
	First    uint64    `json:"first_sequence"`
	Time     time.Time `json:"first_time"`
}

// Streams looks at all streams.
func (o *Operator) Streams(ctx context.Context) (s Streams, err error) {
	if s.Streams, err = o.Bus.Sizes(ctx); err != nil {
		return s, err
	}
	if s.WholeFrom, err = o.Bus.WholeFrom(ctx, fhirmsg.StreamResources); err != nil {
		return s, err
	}
	_, at, err := o.Bus.TimeOf(ctx, fhirmsg.StreamResources, ">", s.WholeFrom)
	if err != nil {
		return s, err
	}
	if !at.IsZero() {
		s.WholeTime = &at
	}
	if s.RestoreSince, err = o.restoreSince(ctx, s); err != nil {
		return s, err
	}
	subjects, err := o.Bus.Subjects(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject("*", "*"))
	if err != nil {
		return s, err
	}
	s.Reach = []Reach{}
	for _, subject := range slices.Sorted(maps.Keys(subjects)) {
		dataset, resourceType, _ := strings.Cut(strings.TrimPrefix(subject, fhirmsg.SubjectResource+"."), ".")
		r := Reach{Dataset: dataset, Type: resourceType, Messages: subjects[subject]}
		if r.First, r.Time, err = o.Bus.TimeOf(ctx, fhirmsg.StreamResources, subject, 1); err != nil {
			return s, err
		}
		s.Reach = append(s.Reach, r)
	}
	return s, nil
}

// restoreSince is the latest time of the oldest messages of the streams that are kept, if any was trimmed, with
// the margin by which statements are read earlier than asked for.
func (o *Operator) restoreSince(ctx context.Context, s Streams) (*time.Time, error) {
	var since time.Time
	if s.WholeFrom > 1 && s.WholeTime != nil {
		since = *s.WholeTime
	}
	for _, stream := range s.Streams {
		switch stream.Stream {
		case fhirmsg.StreamRejects, fhirmsg.StreamStatements, fhirmsg.StreamJournal:
		default:
			continue
		}
		if stream.First <= 1 {
			continue
		}
		_, at, err := o.Bus.TimeOf(ctx, stream.Stream, ">", stream.First)
		if err != nil {
			return nil, err
		}
		if at = at.Add(journal.Margin); at.After(since) {
			since = at
		}
	}
	if since.IsZero() {
		return nil, nil
	}
	return &since, nil
}
