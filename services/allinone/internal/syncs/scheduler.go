package syncs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

// interval is how often is looked what is due.
const interval = time.Second

// atOnce is how many sources are asked at once.
const atOnce = 8

// Ask asks a source what it has that was not imported yet.
type Ask func(context.Context, ledger.SyncAsk) (ledger.SyncFound, error)

// Scheduler begins the runs of syncs and sees them to their end.
type Scheduler struct {
	Ledger *ledger.Ledger
	Bus    *bus.Bus
	Kinds  map[string]Ask // by the kind of a sync
	Log    zerolog.Logger
	Now    func() time.Time // nil: the clock

	once    sync.Once
	slots   chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	inHand  map[string]bool // syncs
}

func (s *Scheduler) setUp() {
	s.slots, s.inHand = make(chan struct{}, atOnce), map[string]bool{}
	if s.Now == nil {
		s.Now = time.Now
	}
}

// Run serves until the context ends.
func (s *Scheduler) Run(ctx context.Context) error {
	defer s.running.Wait()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		err := s.step(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.Error().Err(err).Msg("the schedule of syncs waits; this is tried again every second")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// step does what is to be done now, and does not wait for sources.
func (s *Scheduler) step(ctx context.Context) error {
	s.once.Do(s.setUp)
	dueErr := s.Ledger.BeginDueSyncs(ctx, s.Now()) // what is under way goes on
	runs, err := s.Ledger.SyncRunsToWork(ctx)
	if err != nil {
		return errors.Join(dueErr, err)
	}
	for _, r := range runs {
		s.begin(ctx, r)
	}
	ended, err := s.Ledger.SettleSyncRuns(ctx, s.Now())
	for _, r := range ended {
		s.tell(r)
	}
	return errors.Join(dueErr, err)
}

// begin works on a run beside others, unless it is worked on.
func (s *Scheduler) begin(ctx context.Context, r ledger.SyncRun) {
	if !s.take(r.Sync) {
		return
	}
	s.running.Go(func() {
		defer s.leave(r.Sync)
		if err := s.work(ctx, r); err != nil && ctx.Err() == nil {
			s.Log.Error().Err(err).Str(telemetry.FieldSync, r.Sync).Msg("a run of a sync waits; it is tried again")
		}
	})
}

// take takes a sync in hand; ok is false where it is, or where enough are.
func (s *Scheduler) take(name string) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inHand[name] {
		return false
	}
	select {
	case s.slots <- struct{}{}:
		s.inHand[name] = true
		return true
	default:
		return false
	}
}

func (s *Scheduler) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inHand, name)
	<-s.slots
}

// work brings a run from asking to its import being in the queue, or to its end.
func (s *Scheduler) work(ctx context.Context, r ledger.SyncRun) error {
	if r.State == ledger.SyncAsking {
		var ok bool
		var err error
		if r, ok, err = s.Ledger.AskSyncRun(ctx, r, s.Now, s.ask); err != nil || !ok {
			return err
		}
		s.tell(r)
	}
	req := r.Unpublished()
	if req == nil {
		return nil
	}
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	if err := s.Bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg); err != nil {
		return err
	}
	return s.Ledger.PublishedSyncRun(ctx, r)
}

func (s *Scheduler) ask(ctx context.Context, a ledger.SyncAsk) (ledger.SyncFound, error) {
	ask := s.Kinds[a.Kind]
	if ask == nil {
		return ledger.SyncFound{}, fmt.Errorf("syncs of kind %s are not known to this version", a.Kind)
	}
	return ask(ctx, a)
}

// tell warns of a run that failed.
func (s *Scheduler) tell(r ledger.SyncRun) {
	if r.State == ledger.SyncFailed {
		s.Log.Warn().Str(telemetry.FieldSync, r.Sync).Time("due", r.Due).Str("reason", r.Reason).Msg("a run of a sync failed; the next one makes it up")
	}
}
