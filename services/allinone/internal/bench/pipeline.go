package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/natsd"
	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// PipelineOptions say how a pipeline runs.
type PipelineOptions struct {
	Programs string            // folder of nats-server, fetcher, parser and writer
	Dir      string            // for its data and logs; there already, and the caller's to remove
	Settings map[string]string // of PostgreSQL, by name; they override those of [pgd]
}

// Pipeline is Stoker as separate processes, with a NATS server and a PostgreSQL of its own.
type Pipeline struct {
	Pool *pgxpool.Pool
	Bus  *bus.Bus

	processes []*process
	closers   []func()
}

// StartPipeline returns once the pipeline takes imports. The caller closes it.
func StartPipeline(ctx context.Context, opts PipelineOptions) (*Pipeline, error) {
	p := &Pipeline{}
	if err := p.start(ctx, opts); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close stops all processes, in the reverse of the order in which they were started.
func (p *Pipeline) Close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
	p.closers = nil
}

func (p *Pipeline) start(ctx context.Context, opts PipelineOptions) error {
	server, err := pgd.Start(ctx, pgd.Options{Dir: filepath.Join(opts.Dir, "postgres"), Settings: opts.Settings, Logger: zerolog.Nop()})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, func() { _ = server.Close(context.WithoutCancel(ctx)) })
	p.processes = append(p.processes, &process{name: "postgres", pid: server.PID(), done: server.Done()})
	if p.Pool, err = pgxpool.New(ctx, server.URL()); err != nil {
		return err
	}
	p.closers = append(p.closers, p.Pool.Close)
	return p.startServices(ctx, opts, server.URL())
}

func (p *Pipeline) startServices(ctx context.Context, opts PipelineOptions, databaseURL string) error {
	conf := filepath.Join(opts.Dir, "nats.conf")
	addr, err := natsd.WriteConfig(conf, filepath.Join(opts.Dir, "nats"))
	if err != nil {
		return err
	}
	env := []string{"NATS_URL=nats://" + addr, "DATABASE_URL=" + databaseURL, "STOKER_LISTEN=127.0.0.1:0"}
	for _, args := range [][]string{{"nats-server", "-c", conf}, {"writer"}, {"parser"}, {"fetcher"}} {
		started, err := start(opts.Dir, filepath.Join(opts.Programs, args[0]), env, args[1:]...)
		if err != nil {
			return err
		}
		p.processes = append(p.processes, started)
		p.closers = append(p.closers, func() { _ = started.stop() })
	}
	nc, err := bus.Connect("nats://"+addr, "bench", zerolog.Nop())
	if err != nil {
		return err
	}
	p.closers = append(p.closers, nc.Close)
	if p.Bus, err = bus.New(nc, zerolog.Nop()); err != nil {
		return err
	}
	return wait(ctx, func() (bool, error) {
		if err := p.ended(); err != nil {
			return false, err
		}
		// The writer migrates the database and sets up the streams.
		return ledger.New(p.Pool).Ready(ctx) == nil && p.Bus.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil) == nil, nil
	})
}

// ended is an error once one of the processes has ended, so that nothing waits for it.
func (p *Pipeline) ended() error {
	for _, proc := range p.processes {
		if err := proc.ended(); err != nil {
			return err
		}
	}
	return nil
}

// askEvery is how often is asked whether a run is done: a hundredth of what the shortest takes.
const askEvery = 10 * time.Millisecond

// wait asks until done.
func wait(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Import runs one import of a folder to its end. No validation named is the default. An import
// that does not complete is an error.
func (p *Pipeline) Import(ctx context.Context, dir string, validation fhirmsg.Validation) (fhirmsg.ImportID, error) {
	id, err := p.ask(ctx, fhirmsg.ImportRequest{Validation: validation, Sources: []fhirmsg.Source{{Path: dir}}})
	if err != nil {
		return id, err
	}
	return id, p.await(ctx, id)
}

// ask asks for an import, and returns its id.
func (p *Pipeline) ask(ctx context.Context, req fhirmsg.ImportRequest) (id fhirmsg.ImportID, err error) {
	if req.ID, err = fhirmsg.NewImportID(time.Now(), rand.Reader); err != nil {
		return id, err
	}
	req = req.WithDefaults()
	msg, err := req.Encode()
	if err != nil {
		return id, err
	}
	return req.ID, p.Bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg)
}

// await waits until an import is complete. One that ends in another way is an error.
func (p *Pipeline) await(ctx context.Context, id fhirmsg.ImportID) error {
	var state ledger.State
	err := wait(ctx, func() (bool, error) {
		if err := p.ended(); err != nil {
			return false, err
		}
		var err error
		state, err = p.state(ctx, id)
		return state.Ended(), err
	})
	if err == nil && state != ledger.StateComplete {
		err = errors.New("the import is " + string(state))
	}
	return err
}

func (p *Pipeline) state(ctx context.Context, id fhirmsg.ImportID) (state ledger.State, err error) {
	err = p.Pool.QueryRow(ctx, `SELECT coalesce((SELECT state FROM stoker.import WHERE id = $1), 'accepted')`, [16]byte(id)).Scan(&state)
	return state, err
}

// Load is what a process has used since it began.
type Load struct {
	CPU           float64 // seconds
	Peak          int64   // resident, in bytes; of PostgreSQL, of its first process alone
	Read, Written int64   // bytes from and to disks; 0 where the kernel does not tell
}

// Loads are those of all processes, by name.
func (p *Pipeline) Loads() map[string]Load {
	loads := map[string]Load{}
	for _, proc := range p.processes {
		read, written := diskBytes(proc.pid)
		loads[proc.name] = Load{CPU: cpu(proc.pid), Peak: Peak(proc.pid), Read: read, Written: written}
	}
	return loads
}
