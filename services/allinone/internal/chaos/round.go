package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Options say how rounds are run.
type Options struct {
	Programs string        // folder of nats-server, fetcher, parser and writer
	Dir      string        // for data, servers and logs; PostgreSQL's user must be able to enter it
	Patients int           // about 1,100 lines each, in all imports together
	Faults   int           // of a round
	Longest  time.Duration // of a fault
	Long     bool          // now and then something stands still for longer than that, up to 20 s
	Patience time.Duration // without any progress, nor fault, before a round is stuck

	// Settings of PostgreSQL. A process that is killed loses nothing that it wrote, synced or
	// not, so tests may do without syncing.
	Settings map[string]string
}

// Result is what a round was.
type Result struct {
	Seed            uint64
	Lines           int64
	Imports         int
	Serial, Chaos   time.Duration // the run without faults and the one with them
	Planned, Struck []fault
	Digests         map[string]string // by dataset
}

// String is the round in one line.
func (r Result) String() string {
	counts := map[string]int{}
	var names []string
	for _, f := range r.Struck {
		name := f.part + " " + string(f.kind)
		if counts[name]++; counts[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if n := counts[name]; n > 1 {
			names[i] = fmt.Sprintf("%s ×%d", name, n)
		}
	}
	return fmt.Sprintf("seed %d: %d lines in %d imports, undisturbed %.0fs, with %d of %d faults %.0fs (%s)", r.Seed, r.Lines, r.Imports,
		r.Serial.Seconds(), len(r.Struck), len(r.Planned), r.Chaos.Seconds(), strings.Join(names, ", "))
}

// Failure is a round that did not end as it must.
type Failure struct {
	Seed   uint64
	Wrong  []string
	Report string // plan, accounts and logs, for people
}

// Error implements error.
func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d: %s", f.Seed, strings.Join(f.Wrong, "; "))
}

// round is one round at work.
type round struct {
	opts       Options
	seed       uint64
	dir        string
	deliveries []delivery
	work       int64 // lines and resources of all deliveries
	result     Result
}

// Round runs the round of a seed. The error is a [Failure] where the pipeline is to blame. Logs
// and queues of a round that failed stay in the folder chaos-<seed> of Options.Dir.
func Round(ctx context.Context, opts Options, seed uint64) (Result, error) {
	r := &round{opts: opts, seed: seed, dir: filepath.Join(opts.Dir, fmt.Sprintf("chaos-%d", seed))}
	r.result = Result{Seed: seed, Planned: makePlan(newRandom(seed, planPurpose), opts.Faults, opts.Longest, opts.Long)}
	err := r.run(ctx)
	if err != nil && !errors.As(err, new(*Failure)) {
		err = fmt.Errorf("seed %d: %w", seed, err)
	}
	if cleaned := os.RemoveAll(filepath.Join(r.dir, "data")); err == nil {
		err = errors.Join(cleaned, os.RemoveAll(r.dir))
	}
	return r.result, err
}

// planPurpose is apart from the numbers of the deliveries.
const planPurpose = 1 << 32

func (r *round) run(ctx context.Context) (err error) {
	if r.deliveries, err = makeDeliveries(ctx, filepath.Join(r.dir, "data"), r.seed, r.opts.Patients); err != nil {
		return err
	}
	r.result.Imports = len(r.deliveries)
	for _, d := range r.deliveries {
		r.result.Lines += d.lines
		r.work += d.lines + d.resources
	}
	p, err := newPipeline(ctx, r.opts, filepath.Join(r.dir, "pipeline"), len(r.deliveries))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	began := time.Now()
	reference, err := r.serial(ctx, p)
	r.result.Serial = time.Since(began)
	if err != nil {
		return err
	}
	r.result.Digests = reference.digests
	began = time.Now()
	err = r.chaos(ctx, p, reference)
	r.result.Chaos = time.Since(began)
	return err
}

// serialPrefix begins the names of the undisturbed run's datasets.
const serialPrefix = "serial_"

// serial imports one delivery after the other, with no fault, and in chunks of the usual size: what becomes of a delivery does not depend on it.
func (r *round) serial(ctx context.Context, p *pipeline) (account, error) {
	if err := p.startParsers(); err != nil {
		return account{}, err
	}
	var ids []fhirmsg.ImportID
	for _, d := range r.deliveries {
		d.chunk = fhirmsg.DefaultChunkSize
		id, err := p.request(ctx, d, serialPrefix)
		if err != nil {
			return account{}, err
		}
		ids = append(ids, id)
		if err := newWatch(p, ids, r.work, r.opts.Patience).untilEnded(ctx); err != nil {
			return account{}, r.failure(ctx, p, ids, "undisturbed: "+err.Error())
		}
	}
	a, err := p.accountOf(ctx, ids, serialPrefix)
	if err != nil {
		return a, err
	}
	if wrong := a.faults(nil); len(wrong) > 0 {
		return a, r.failure(ctx, p, ids, append([]string{"undisturbed"}, wrong...)...)
	}
	p.stopParsers()
	_, err = p.database.pool().Exec(ctx, `CHECKPOINT`) // what is recovered after a fault is what was written since
	return a, err
}

// chaos imports all deliveries at once while faults strike.
func (r *round) chaos(ctx context.Context, p *pipeline, reference account) error {
	var ids []fhirmsg.ImportID
	for _, d := range r.deliveries {
		id, err := p.request(ctx, d, "")
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := p.startParsers(); err != nil {
		return err
	}
	w := newWatch(p, ids, r.work, r.opts.Patience)
	if err := r.strike(ctx, p, w); err != nil {
		return err
	}
	err := w.untilEnded(ctx)
	if err == nil {
		err = w.untilQuiet(ctx)
	}
	if err != nil {
		return r.failure(ctx, p, ids, err.Error())
	}
	a, err := p.accountOf(ctx, ids, "")
	if err != nil {
		return err
	}
	if wrong := append(a.faults(&reference), p.deaths()...); len(wrong) > 0 {
		return r.failure(ctx, p, ids, wrong...)
	}
	return nil
}

// failure is nobody's fault where the context ended.
func (r *round) failure(ctx context.Context, p *pipeline, ids []fhirmsg.ImportID, wrong ...string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Failure{Seed: r.seed, Wrong: wrong, Report: r.report(ctx, p, ids)}
}

// strike carries out the plan, and returns when all faults are over. Faults of different parts
// overlap; those of one part wait for each other.
func (r *round) strike(ctx context.Context, p *pipeline, w *watch) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, f := range r.result.Planned {
		if !w.untilShare(ctx, f.at) {
			break // all is done before
		}
		target, err := p.part(f.part)
		if err != nil {
			return err
		}
		r.result.Struck = append(r.result.Struck, f)
		wg.Go(func() {
			err := target.suffer(ctx, f)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
