package operate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Operator does what operators ask for. Its fields stay the caller's to close.
type Operator struct {
	Bus    *bus.Bus
	Ledger *ledger.Ledger
	Pool   *pgxpool.Pool
}

// ErrRequest is of requests that cannot be, and ErrRefused of those that cannot be now. Both are
// wrapped by what to do about it.
var (
	ErrRequest = errors.New("not a valid request")
	ErrRefused = errors.New("refused")
)

// ReplayRequest asks for a replay. At most one of Since and FromSequence is given; without them
// it begins with the first message of the dataset.
type ReplayRequest struct {
	Dataset      string            `json:"dataset"`
	Into         string            `json:"into,omitempty"`  // the same if empty
	Types        []string          `json:"types,omitempty"` // all if empty
	Import       *fhirmsg.ImportID `json:"import,omitempty"`
	Since        *time.Time        `json:"since,omitempty"` // when the stream got them
	FromSequence uint64            `json:"from_sequence,omitempty"`
	Force        bool              `json:"force,omitempty"`     // write bodies also at equal version
	Available    bool              `json:"available,omitempty"` // also if older messages were trimmed
}

func (r ReplayRequest) check() error {
	known := fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4)
	if err := fhirmsg.CheckDataset(r.Dataset); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := fhirmsg.CheckDataset(r.Into); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	for _, t := range r.Types {
		if !slices.Contains(known, t) {
			return fmt.Errorf("%w: %q is not a resource type of FHIR", ErrRequest, t)
		}
	}
	if r.Since != nil && r.FromSequence > 0 {
		return fmt.Errorf("%w: give a time or a sequence to begin with, not both", ErrRequest)
	}
	return nil
}

// all reports whether the request is for all that the dataset has.
func (r ReplayRequest) all() bool {
	return len(r.Types) == 0 && r.Import == nil && r.Since == nil && r.FromSequence == 0
}

// Replay begins a replay; the writers work on it. Errors: [ErrRequest], [ErrRefused] where the
// stream does not reach back far enough, [ledger.ErrNoDataset], [ledger.ErrState].
func (o *Operator) Replay(ctx context.Context, req ReplayRequest) (ledger.Replay, error) {
	if req.Into == "" {
		req.Into = req.Dataset
	}
	if err := req.check(); err != nil {
		return ledger.Replay{}, err
	}
	first, reach, err := o.first(ctx, req)
	if err != nil {
		return ledger.Replay{}, err
	}
	r := ledger.Replay{Dataset: req.Dataset, Into: req.Into, Import: req.Import, Force: req.Force, First: first, Whole: req.all()}
	return o.begin(ctx, r, req, reach, func(string) uint64 { return r.First })
}

// clockMargin is how far the clocks of NATS and PostgreSQL may be apart.
const clockMargin = 10 * time.Minute

// first is the sequence that a replay begins with, and reach the one from which on nothing may be
// gone if the replay is not to miss anything.
func (o *Operator) first(ctx context.Context, req ReplayRequest) (first, reach uint64, err error) {
	if req.FromSequence > 0 {
		return req.FromSequence, req.FromSequence, nil
	}
	since := req.Since
	if since == nil {
		// Nothing of the dataset is older than its first import.
		accepted, err := o.Ledger.FirstAccepted(ctx, req.Dataset, req.Import)
		if err != nil || accepted.IsZero() {
			return 1, 1, err
		}
		accepted = accepted.Add(-clockMargin)
		since = &accepted
	}
	first, err = o.Bus.SequenceAt(ctx, fhirmsg.StreamResources, *since)
	// If the message before is gone, it may have come since that time, and others with it.
	return first, max(first, 2) - 1, err
}

// prepareFor is how long the preparation of a replay may take.
const prepareFor = 2 * time.Minute

// begin prepares a replay and hands it to the writers. from is where each type begins; reach, from
// where on nothing may be gone.
func (o *Operator) begin(ctx context.Context, r ledger.Replay, req ReplayRequest, reach uint64, from func(string) uint64) (ledger.Replay, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareFor)
	defer cancel()
	var err error
	if r.ID, err = fhirmsg.NewImportID(time.Now(), rand.Reader); err != nil {
		return r, err
	}
	if err := o.Ledger.PrepareReplay(ctx, r); err != nil {
		return r, err
	}
	err = o.fix(ctx, &r, req, reach, from)
	if err == nil {
		err = o.Ledger.StartReplay(ctx, r)
	}
	if err != nil {
		o.forget(context.WithoutCancel(ctx), r)
		return r, err
	}
	return o.Ledger.Replay(ctx, r.ID)
}

// forget removes what a preparation left behind. What it does not get to, the writers do.
func (o *Operator) forget(ctx context.Context, r ledger.Replay) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_ = o.Ledger.ForgetReplay(ctx, r.ID)
	for _, t := range r.Types {
		_ = o.Bus.CloseReplay(ctx, fhirmsg.ReplayConsumer(r.ID, t.Type))
	}
}

// fix finds out what a replay is to read, and holds it.
func (o *Operator) fix(ctx context.Context, r *ledger.Replay, req ReplayRequest, reach uint64, from func(string) uint64) error {
	var err error
	if r.Last, err = o.Bus.LastSequence(ctx, fhirmsg.StreamResources); err != nil {
		return err
	}
	types, err := o.types(ctx, r.Dataset)
	if err != nil {
		return err
	}
	for _, t := range types {
		if len(req.Types) > 0 && !slices.Contains(req.Types, t) {
			continue
		}
		part := ledger.ReplayType{Type: t, First: from(t), Last: r.Last}
		r.Types = append(r.Types, part)
		if err := o.hold(ctx, *r, &r.Types[len(r.Types)-1]); err != nil {
			return err
		}
	}
	// After the messages are held, so that none goes unnoticed.
	return o.checkReach(ctx, reach, r, req.Available)
}

// types are the resource types that the stream has messages of, for a dataset.
func (o *Operator) types(ctx context.Context, dataset string) ([]string, error) {
	subjects, err := o.Bus.Subjects(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(dataset, "*"))
	if err != nil {
		return nil, err
	}
	types := slices.Sorted(maps.Keys(subjects))
	for i, subject := range types {
		types[i] = subject[strings.LastIndexByte(subject, '.')+1:]
	}
	return types, nil
}

// hold makes the consumer of a type, which holds its messages, and counts them.
func (o *Operator) hold(ctx context.Context, r ledger.Replay, t *ledger.ReplayType) error {
	if _, err := o.Bus.OpenReplay(ctx, bus.Replay{ID: r.ID, Dataset: r.Dataset, Type: t.Type, First: t.First}); err != nil {
		return err
	}
	if r.Into != r.Dataset {
		// Only what is committed: the rest comes to the dataset in the ordinary way, and
		// so it must when that is swapped meanwhile.
		progress, err := o.Bus.WriterProgress(ctx, t.Type)
		if err != nil {
			return err
		}
		t.Last = min(t.Last, progress.Floor)
	}
	n, err := o.Bus.CountBetween(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(r.Dataset, t.Type), t.First, t.Last)
	if err != nil {
		return err
	}
	t.Messages = int64(n)
	if n == 0 {
		return o.Bus.CloseReplay(ctx, fhirmsg.ReplayConsumer(r.ID, t.Type))
	}
	return nil
}

// checkReach refuses a replay of which messages were trimmed, unless what there is was asked for.
func (o *Operator) checkReach(ctx context.Context, reach uint64, r *ledger.Replay, available bool) error {
	intact, err := o.Bus.Intact(ctx, fhirmsg.StreamResources, reach)
	if err != nil || intact {
		return err
	}
	r.Whole = false
	if available {
		return nil
	}
	from, err := o.Bus.WholeFrom(ctx, fhirmsg.StreamResources)
	if err != nil {
		return err
	}
	_, at, err := o.Bus.TimeOf(ctx, fhirmsg.StreamResources, ">", from)
	if err != nil {
		return err
	}
	since := "nothing is left"
	if !at.IsZero() {
		since = fmt.Sprintf("it is whole from sequence %d on, %s", from, at.UTC().Format(time.RFC3339))
	}
	return fmt.Errorf("%w: the stream does not reach back far enough, older messages were trimmed: %s. "+
		"Begin there (--from-sequence %d), or replay what there is of each type (--available)", ErrRefused, since, from)
}
