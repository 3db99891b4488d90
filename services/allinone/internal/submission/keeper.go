package submission

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// every is how often is looked for what is to be done, besides when something is asked for.
const every = 10 * time.Second

// atOnce is how many imports of a supplier are queued at once.
const atOnce = 100

// longAtOnce is how many suppliers have what takes long done at once: each takes a connection to PostgreSQL beside the pool, perhaps for minutes.
const longAtOnce = 4

// Keeper does what was asked for. Its fields stay the caller's to close.
type Keeper struct {
	Bus      *bus.Bus
	Ledger   *ledger.Ledger
	Journal  journal.Journal
	Operator *operate.Operator
	Pool     *pgxpool.Pool
	Log      zerolog.Logger

	once sync.Once
	wake chan struct{}
	long chan struct{} // has what takes long and is being done

	mu   sync.Mutex
	busy map[string]bool // suppliers for which something is under way that takes long
}

func (k *Keeper) init() {
	k.once.Do(func() {
		k.wake, k.long, k.busy = make(chan struct{}, 1), make(chan struct{}, longAtOnce), map[string]bool{}
	})
}

// Wake has Run look for what is to be done.
func (k *Keeper) Wake() {
	k.init()
	select {
	case k.wake <- struct{}{}:
	default: // it is going to look anyway
	}
}

// Run does what is to be done until the context ends, and returns when what is under way has.
func (k *Keeper) Run(ctx context.Context) {
	k.init()
	var running sync.WaitGroup
	defer running.Wait()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := k.look(ctx, &running); err != nil && ctx.Err() == nil {
			k.Log.Warn().Err(err).Msg("submissions cannot be seen to, trying again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.wake:
		}
	}
}

// look queues what can be, and begins what takes long.
func (k *Keeper) look(ctx context.Context, running *sync.WaitGroup) error {
	waiting, queueErr := k.queue(ctx, fhirmsg.ImportID{})
	withdrawn, err := k.Ledger.Withdrawals(ctx)
	if err != nil {
		return errors.Join(queueErr, err)
	}
	for _, w := range withdrawn {
		k.begin(ctx, running, w.Supplier, func() error {
			err := k.undo(ctx, w)
			if err != nil && ctx.Err() == nil {
				err = errors.Join(err, k.Ledger.Postpone(ctx, w.Import))
			}
			return err
		})
	}
	for _, q := range waiting {
		k.begin(ctx, running, q.Request.Supplier, func() error {
			_, err := k.Operator.SetHistory(ctx, q.Dataset, true)
			return err
		})
	}
	return queueErr
}

// begin does something for a supplier, unless something is under way for it: then it is found again.
func (k *Keeper) begin(ctx context.Context, running *sync.WaitGroup, supplier string, do func() error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[supplier] {
		return
	}
	k.busy[supplier] = true
	running.Go(func() {
		err := k.inTurn(ctx, do)
		k.mu.Lock()
		delete(k.busy, supplier)
		k.mu.Unlock()
		if err != nil {
			if ctx.Err() == nil {
				k.Log.Warn().Err(err).Str("supplier", supplier).Msg("what a submission asks for cannot be done, trying again")
			}
			return // at the next look
		}
		k.Wake()
	})
}

func (k *Keeper) inTurn(ctx context.Context, do func() error) error {
	select {
	case k.long <- struct{}{}:
		defer func() { <-k.long }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Queue puts the imports of a submission into the queue, as far as they can be already.
func (k *Keeper) Queue(ctx context.Context, submission fhirmsg.ImportID) error {
	_, err := k.queue(ctx, submission)
	return err
}

// queue puts imports into the queue, and returns those whose dataset keeps no history yet. They are accepted before, in the order in
// which they were submitted, so that of two with the same resource the later one wins, whoever fetches them.
func (k *Keeper) queue(ctx context.Context, submission fhirmsg.ImportID) (waiting []ledger.Queueable, err error) {
	list, err := k.Ledger.Queueables(ctx, submission, atOnce)
	if err != nil {
		return nil, err
	}
	failed := map[string]error{} // by supplier, whose later ones have to wait
	for _, q := range list {
		supplier := q.Request.Supplier
		switch {
		case failed[supplier] != nil:
		case !q.History:
			waiting = append(waiting, q)
		default:
			if err := k.queueOne(ctx, q.Request); err != nil {
				failed[supplier] = err
			}
		}
	}
	return waiting, errors.Join(slices.Collect(maps.Values(failed))...)
}

func (k *Keeper) queueOne(ctx context.Context, req fhirmsg.ImportRequest) error {
	if _, _, err := fetcher.Accept(ctx, k.Journal, req); err != nil {
		return err
	}
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	if err := k.Bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg); err != nil {
		return err
	}
	return k.Ledger.Queued(ctx, req.ID)
}
