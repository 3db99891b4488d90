package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/natsd"
)

const (
	stopGrace   = 40 * time.Second // more than the services' own
	streamBytes = 64 << 20         // of RESOURCES
)

// part is what a fault can strike. It is as before when suffer returns.
type part interface {
	suffer(ctx context.Context, f fault) error
}

// pipeline is the real processes and the proxies between them.
type pipeline struct {
	programs string // folder
	dir      string
	database *database
	nats     *process
	services map[string]*process
	links    map[string]*link
	conn     *nats.Conn // past the proxies
	bus      *bus.Bus

	mu   sync.Mutex
	died []string // processes that ended by themselves
}

// newPipeline starts everything but the parsers, so that imports can be accepted and do not
// run away.
func newPipeline(ctx context.Context, opts Options, dir string, imports int) (*pipeline, error) {
	p := &pipeline{programs: opts.Programs, dir: dir, services: map[string]*process{}, links: map[string]*link{}}
	if err := p.start(ctx, opts, imports); err != nil {
		return nil, errors.Join(err, p.close(ctx))
	}
	return p, nil
}

func (p *pipeline) start(ctx context.Context, opts Options, imports int) (err error) {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if p.database, err = startDatabase(ctx, filepath.Join(p.dir, "postgres"), opts.Settings); err != nil {
		return err
	}
	if err := p.startNATS(); err != nil {
		return err
	}
	for _, name := range services {
		if err := p.makeService(name, imports); err != nil {
			return err
		}
	}
	for _, name := range []string{"writer-1", "writer-2", "fetcher"} {
		if err := p.services[name].start(); err != nil {
			return err
		}
	}
	if err := p.awaitReady(ctx); err != nil {
		return fmt.Errorf("%w (%s)", err, strings.Join(append([]string{"logs are in " + p.dir}, p.deaths()...), "; "))
	}
	return nil
}

func (p *pipeline) startNATS() error {
	conf := filepath.Join(p.dir, "nats.conf")
	address, err := natsd.WriteConfig(conf, filepath.Join(p.dir, "jetstream"))
	if err != nil {
		return err
	}
	p.nats = p.process(natsServer, "nats-server", nil, "-c", conf)
	if err := p.nats.start(); err != nil {
		return err
	}
	if p.conn, err = bus.Connect("nats://"+address, "chaos", zerolog.Nop()); err != nil {
		return err
	}
	if p.bus, err = bus.New(p.conn, zerolog.Nop()); err != nil {
		return err
	}
	for _, name := range links {
		target := p.database.address
		if strings.HasSuffix(name, natsServer) {
			target = func() (string, string) { return "tcp", address }
		}
		if p.links[name], err = newLink(name, target); err != nil {
			return err
		}
	}
	return nil
}

func (p *pipeline) process(name, program string, env []string, args ...string) *process {
	return &process{
		name: name, program: filepath.Join(p.programs, program), args: args, env: env,
		log: filepath.Join(p.dir, name+".log"), died: p.note,
	}
}

func (p *pipeline) note(name, how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.died = append(p.died, name+" ended by itself: "+how)
}

// deaths are the processes that ended by themselves.
func (p *pipeline) deaths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

func (p *pipeline) makeService(name string, imports int) error {
	program, _, _ := strings.Cut(name, "-")
	env := []string{"STOKER_LISTEN=127.0.0.1:0", "NATS_URL=nats://" + p.links[name+"-nats"].address()}
	switch program {
	case "fetcher": // all imports at the same time and slowly, so that faults meet them under way
		env = append(env, "STOKER_FETCHER_IMPORTS="+strconv.Itoa(imports), "STOKER_FETCHER_WINDOW=2")
	case "writer": // a stream so small that it is trimmed
		env = append(env, "STOKER_WRITER_STREAM_BYTES="+strconv.Itoa(streamBytes))
	}
	if l, ok := p.links[name+"-postgres"]; ok {
		url, err := p.database.urlAt(l.address())
		if err != nil {
			return err
		}
		env = append(env, "DATABASE_URL="+url)
	}
	p.services[name] = p.process(name, program, env)
	return nil
}

// part finds what a fault strikes.
func (p *pipeline) part(name string) (part, error) {
	if s, ok := p.services[name]; ok {
		return s, nil
	}
	if l, ok := p.links[name]; ok {
		return l, nil
	}
	switch name {
	case natsServer:
		return p.nats, nil
	case postgres:
		return p.database, nil
	}
	return nil, fmt.Errorf("no part is called %s", name)
}

func (p *pipeline) ledger() *ledger.Ledger { return ledger.New(p.database.pool()) }

// awaitReady waits for the writers to have made tables and streams.
func (p *pipeline) awaitReady(ctx context.Context) error {
	return poll(ctx, time.Minute, "the pipeline to be ready", func(ctx context.Context) bool {
		return p.ledger().Ready(ctx) == nil && p.bus.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil) == nil
	})
}

// request asks for an import and waits until it is accepted. The prefix is for the dataset.
func (p *pipeline) request(ctx context.Context, d delivery, prefix string) (fhirmsg.ImportID, error) {
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		return id, err
	}
	req := d.request(id, prefix)
	msg, err := req.Encode()
	if err != nil {
		return id, err
	}
	if err := p.bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg); err != nil {
		return id, err
	}
	return id, poll(ctx, time.Minute, "an import to be accepted", func(ctx context.Context) bool {
		_, err := p.ledger().Progress(ctx, id)
		return err == nil
	})
}

// startParsers lets the work begin.
func (p *pipeline) startParsers() error {
	return errors.Join(p.services["parser-1"].start(), p.services["parser-2"].start())
}

func (p *pipeline) stopParsers() {
	p.services["parser-1"].end(syscall.SIGTERM, stopGrace)
	p.services["parser-2"].end(syscall.SIGTERM, stopGrace)
}

// close ends everything that was started, and deletes the database.
func (p *pipeline) close(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range p.services {
		wg.Go(func() { s.end(syscall.SIGTERM, stopGrace) })
	}
	wg.Wait()
	for _, l := range p.links {
		l.close()
	}
	if p.conn != nil {
		p.conn.Close()
	}
	if p.nats != nil {
		p.nats.end(syscall.SIGTERM, stopGrace)
	}
	if p.database != nil && p.database.running() != nil {
		return p.database.close(context.WithoutCancel(ctx))
	}
	return nil
}

// poll asks until ok, for so long at most. A question that gets no answer is asked again.
func poll(ctx context.Context, limit time.Duration, what string, ok func(context.Context) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v in vain for %s", limit, what))
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ask, done := context.WithTimeout(ctx, 10*time.Second)
		yes := ok(ask)
		done()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
