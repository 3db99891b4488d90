package operate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// Swapped is how far a swap has come.
type Swapped struct {
	Swapped bool              `json:"swapped"`
	Replay  *fhirmsg.ImportID `json:"replay,omitempty"` // not yet: ask again when this one is complete
}

// maxTail is how many messages that were committed the swapping transaction writes itself, at most, and maxAhead how many that writers have
// in hand, or behind what they handed back. Batches of both datasets wait meanwhile, for some seconds with so many.
const (
	maxTail  = 64
	maxAhead = 1024
)

// Swap gives two datasets each other's names, when the second has all that the first has: it was
// built by a replay of the whole of it. Where much came since, it begins a replay of that and asks to be called again.
// Errors: [ErrRequest], [ErrRefused], and those of the servers; nothing has changed then.
func (o *Operator) Swap(ctx context.Context, a, b string) (Swapped, error) {
	for _, name := range []string{a, b} {
		if err := fhirmsg.CheckDataset(name); err != nil {
			return Swapped{}, fmt.Errorf("%w: %w", ErrRequest, err)
		}
	}
	if a == b {
		return Swapped{}, fmt.Errorf("%w: a dataset cannot be swapped with itself", ErrRequest)
	}
	base, open, err := o.base(ctx, a, b)
	if err != nil || open != nil {
		return Swapped{Replay: open}, err
	}
	tail, err := o.tail(ctx, base)
	if err != nil {
		return Swapped{}, err
	}
	if tail > maxTail {
		r := ledger.Replay{Dataset: a, Into: b, First: start(base), Whole: true}
		r, err := o.begin(ctx, r, ReplayRequest{}, r.First, func(t string) uint64 { return position(base, t) + 1 })
		return Swapped{Replay: &r.ID}, err
	}
	return Swapped{Swapped: true}, o.exclusively(ctx, []string{a, b}, func(ctx context.Context, tx pgx.Tx) error {
		return o.swap(ctx, tx, a, b)
	})
}

// base is the replay that a swap builds upon, or one that has to end first.
func (o *Operator) base(ctx context.Context, a, b string) (base ledger.Replay, open *fhirmsg.ImportID, err error) {
	err = pgx.BeginFunc(ctx, o.Pool, func(tx pgx.Tx) error {
		running, err := ledger.OpenOn(ctx, tx, a, b)
		if err != nil {
			return err
		}
		for _, r := range running {
			if r.Dataset != a || r.Into != b {
				return fmt.Errorf("%w: replay %s of dataset %s into %s is open; let it end or cancel it", ErrRefused, r.ID, r.Dataset, r.Into)
			}
			open = &r.ID
		}
		if open == nil {
			base, err = builtFrom(ctx, tx, a, b)
		}
		return err
	})
	return base, open, err
}

func builtFrom(ctx context.Context, tx pgx.Tx, a, b string) (ledger.Replay, error) {
	base, ok, err := ledger.BuiltFrom(ctx, tx, b, a)
	if err == nil && !ok {
		err = fmt.Errorf("%w: dataset %s was not built from the whole of %s and of nothing else. "+
			"Build one: stoker replay --dataset %s --into NAME", ErrRefused, b, a, a)
	}
	return base, err
}

// position is up to where a type was replayed.
func position(base ledger.Replay, resourceType string) uint64 {
	for _, t := range base.Types {
		if t.Type == resourceType {
			return t.Last
		}
	}
	return base.Last
}

// start is behind the least position of all types.
func start(base ledger.Replay) uint64 {
	least := base.Last
	for _, t := range base.Types {
		least = min(least, t.Last)
	}
	return least + 1
}

// tail is how many messages came since, and were committed. It refuses where too many more are in hand.
func (o *Operator) tail(ctx context.Context, base ledger.Replay) (n uint64, err error) {
	var ahead uint64
	types, err := o.types(ctx, base.Dataset)
	if err != nil {
		return 0, err
	}
	for _, t := range types {
		progress, err := o.Bus.WriterProgress(ctx, t)
		if err != nil {
			return 0, err
		}
		last, err := o.Bus.LastSequence(ctx, fhirmsg.StreamResources)
		if err != nil {
			return 0, err
		}
		count, err := o.Bus.CountBetween(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(base.Dataset, t),
			position(base, t)+1, min(progress.Floor, last))
		if err != nil {
			return 0, err
		}
		n += count
		if count, err = o.Bus.CountBetween(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(base.Dataset, t),
			max(progress.Floor, position(base, t))+1, min(progress.Delivered, last)); err != nil {
			return 0, err
		}
		ahead += count
	}
	if ahead > maxAhead {
		return 0, fmt.Errorf("%w: batches of another dataset wait, or writers are behind, so that %d would be written at once; try again later", ErrRefused, ahead)
	}
	return n, nil
}

// swap is the transaction. Nobody writes to either dataset while it lasts. What the writers
// committed in a since the replay is written into b here. What they did not commit yet comes
// to the name a, which is b's then. That includes all that was never handed out to them, and
// what is handed out again: it is written if it is not there, and its statement stands.
func (o *Operator) swap(ctx context.Context, tx pgx.Tx, a, b string) error {
	open, err := ledger.OpenOn(ctx, tx, a, b)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return fmt.Errorf("%w: replay %s began meanwhile", ErrRefused, open[0].ID)
	}
	base, err := builtFrom(ctx, tx, a, b)
	if err != nil {
		return err
	}
	after := ledger.Replay{Dataset: a, Into: b, First: start(base), Whole: true}
	if after.ID, err = fhirmsg.NewImportID(time.Now(), rand.Reader); err != nil {
		return err
	}
	if after.Last, err = o.Bus.LastSequence(ctx, fhirmsg.StreamResources); err != nil {
		return err
	}
	types, err := o.types(ctx, a)
	if err != nil {
		return err
	}
	trimmed := false
	for _, t := range types {
		// In this order: what is acknowledged after was not committed after, as all wait.
		progress, err := o.Bus.WriterProgress(ctx, t)
		if err != nil {
			return err
		}
		floor := min(progress.Floor, after.Last)
		after.Types = append(after.Types, ledger.ReplayType{Type: t, First: position(base, t) + 1, Last: max(floor, position(base, t))})
		last := min(max(progress.Delivered, floor), after.Last)
		switch err := o.writeTail(ctx, tx, base, t, last); {
		case errors.Is(err, bus.ErrTrimmed):
			trimmed = true
		case err != nil:
			return err
		}
	}
	// Looked at after the tail was read: none of it was trimmed before.
	intact, err := o.Bus.Intact(ctx, fhirmsg.StreamResources, start(base))
	if err != nil {
		return err
	}
	if trimmed || !intact {
		return fmt.Errorf("%w: messages were trimmed that dataset %s lacks; build it anew", ErrRefused, b)
	}
	if err := store.SwapTables(ctx, tx, a, b); err != nil {
		return err
	}
	return ledger.SwapDatasets(ctx, tx, a, b, after)
}

func (o *Operator) writeTail(ctx context.Context, tx pgx.Tx, base ledger.Replay, resourceType string, last uint64) error {
	return o.Bus.Read(ctx, fhirmsg.StreamResources, fhirmsg.ResourceSubject(base.Dataset, resourceType), position(base, resourceType)+1, last,
		func(msg bus.Message) error {
			batch, err := fhirmsg.DecodeBatch(msg.Data, nil)
			if err != nil {
				return nil //nolint:nilerr // it is among the dead letters, and no dataset has it
			}
			return store.WriteStated(ctx, tx, base.Into, batch)
		})
}
