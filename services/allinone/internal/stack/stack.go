package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/database"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/natsd"
	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/allinone/internal/inbox"
	"github.com/stoker-fhir/stoker/services/allinone/internal/submission"
	"github.com/stoker-fhir/stoker/services/allinone/internal/syncs"
	"github.com/stoker-fhir/stoker/services/fetcher"
	"github.com/stoker-fhir/stoker/services/parser"
	"github.com/stoker-fhir/stoker/services/writer"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// maxPayload is the largest message of the private NATS server in bytes: a chunk of what cannot be
// compressed, such as documents in base64, fits, and need not go through the object store.
const maxPayload = 4 << 20

// besideWriters is how many connections there are besides those of the writer's transactions: for fetchers, what parsers state, what is
// looked after, and the HTTP interface.
const besideWriters = 16

// Options say what to run.
type Options struct {
	DataDir     string // made if it is missing
	NATSURL     string // "" is a private server
	DatabaseURL string // "" is a private server
	Listen      string // address of the HTTP interface; port 0 is any that is free
	Services    bool   // also run fetcher, parser and writer
	Syncs       bool   // also run what is to be imported on a schedule
	Suppliers   string // file of suppliers; "" is none
	Auth        api.Auth
	PublicURL   string // of the HTTP interface, as suppliers reach it; "": as they ask
	Fetcher     fetcher.Config
	Parser      parser.Config
	Writer      writer.Config
	Uploads     inbox.Config
	Log         zerolog.Logger
}

// Stack is what runs.
type Stack struct {
	URL         string // of the HTTP interface
	DatabaseURL string

	opts     Options
	log      zerolog.Logger
	closers  []func(context.Context)
	services *errgroup.Group
	stop     context.CancelFunc // ends the services
}

// Start runs what the options name and returns when it answers. On an error nothing is left
// running.
func Start(ctx context.Context, opts Options) (s *Stack, err error) {
	if opts.DataDir, err = filepath.Abs(opts.DataDir); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(opts.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	s = &Stack{opts: opts, log: opts.Log}
	defer func() {
		if err != nil {
			s.Close(context.WithoutCancel(ctx))
		}
	}()
	unlock, err := lockDir(opts.DataDir)
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) { unlock() })
	pool, err := s.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.declareSuppliers(ctx, pool); err != nil {
		return nil, err
	}
	nc, err := s.openQueue(ctx)
	if err != nil {
		return nil, err
	}
	b, err := bus.New(nc, opts.Log)
	if err != nil {
		return nil, err
	}
	registry := telemetry.NewRegistry()
	if err := s.runServices(ctx, b, pool, registry); err != nil {
		return nil, err
	}
	if err := s.serve(b, pool, registry); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Stack) onClose(f func(context.Context)) { s.closers = append(s.closers, f) }

// Close ends the services, then the servers, in reverse order of their start.
func (s *Stack) Close(ctx context.Context) {
	if s.stop != nil {
		s.stop()
		if err := s.services.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Error().Err(err).Msg("a service ended with an error")
		}
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i](ctx)
	}
	s.closers = nil
}

func (s *Stack) openDatabase(ctx context.Context) (*pgxpool.Pool, error) {
	s.DatabaseURL = s.opts.DatabaseURL
	if s.DatabaseURL == "" {
		server, err := pgd.Start(ctx, pgd.Options{Dir: filepath.Join(s.opts.DataDir, "postgres"), Logger: s.log})
		if err != nil {
			return nil, err
		}
		s.onClose(func(ctx context.Context) {
			if err := server.Close(ctx); err != nil {
				s.log.Error().Err(err).Msg("PostgreSQL did not stop cleanly")
			}
		})
		s.DatabaseURL = server.URL()
	}
	pool, err := database.Connect(ctx, s.DatabaseURL, s.opts.Writer.Transactions+besideWriters)
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) { pool.Close() })
	if err := ledger.Migrate(ctx, pool); err != nil {
		return nil, err
	}
	return pool, nil
}

// declareSuppliers reads the file of suppliers, if there is one. What is wrong with it ends the start: to go
// on with what was declared before would be another policy than the operator thinks.
func (s *Stack) declareSuppliers(ctx context.Context, pool *pgxpool.Pool) error {
	if s.opts.Suppliers == "" {
		return nil
	}
	declared, err := supplier.ReadFile(s.opts.Suppliers)
	if err != nil {
		return err
	}
	for _, d := range declared.Suppliers {
		if err := smart.Check(d); err != nil {
			return fmt.Errorf("%s: %s.%w", s.opts.Suppliers, d.Name, err)
		}
	}
	l := ledger.New(pool)
	left, err := l.ApplySuppliers(ctx, declared.Suppliers)
	if err != nil {
		return err
	}
	for _, name := range left {
		s.log.Warn().Str(telemetry.FieldSupplier, name).Msg("the file of suppliers does not name it any more; it may deliver as before, until it is removed: stoker supplier remove")
	}
	if left, err = l.ApplySyncs(ctx, declared.Syncs, time.Now()); err != nil {
		return err
	}
	for _, name := range left {
		s.log.Warn().Str(telemetry.FieldSync, name).Msg("the file of suppliers does not name it any more; it is paused, until it is resumed or removed: stoker sync resume, stoker sync remove")
	}
	return nil
}

func (s *Stack) openQueue(ctx context.Context) (nc *nats.Conn, err error) {
	if s.opts.NATSURL != "" {
		nc, err = bus.Connect(s.opts.NATSURL, "stoker", s.log)
	} else {
		var server *natsd.Server
		server, err = natsd.Start(ctx, natsd.Options{
			StoreDir: filepath.Join(s.opts.DataDir, "nats"), SyncAlways: true, Logger: s.log,
			MaxPayload: maxPayload,
		})
		if err != nil {
			return nil, err
		}
		s.onClose(func(context.Context) { server.Close() })
		nc, err = server.Connect(bus.Reconnecting(s.log)...)
	}
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) { nc.Close() })
	return nc, nil
}

// runServices starts the three services. They end with Close, not with ctx, so that what
// they depend on outlives them.
func (s *Stack) runServices(ctx context.Context, b *bus.Bus, pool *pgxpool.Pool, registry prometheus.Registerer) error {
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.services, ctx = errgroup.WithContext(ctx)
	if !s.opts.Services {
		return nil
	}
	metrics := map[string]*telemetry.Metrics{}
	for _, stage := range []string{"fetcher", "parser", "writer"} {
		var err error
		if metrics[stage], err = telemetry.NewMetrics(registry, stage); err != nil {
			return err
		}
	}
	cfg := s.opts
	cfg.Fetcher.SpoolDir = s.spoolDir()
	s.services.Go(func() error {
		return writer.Run(ctx, cfg.Writer, writer.Deps{Bus: b, Pool: pool, Log: s.log, Metrics: metrics["writer"]})
	})
	s.services.Go(func() error {
		return parser.Run(ctx, cfg.Parser, parser.Deps{Bus: b, Log: s.log, Metrics: metrics["parser"]})
	})
	s.services.Go(func() error {
		return fetcher.Run(ctx, cfg.Fetcher, fetcher.Deps{Bus: b, Pool: pool, Log: s.log, Metrics: metrics["fetcher"]})
	})
	if s.opts.Syncs {
		scheduler := &syncs.Scheduler{
			Ledger: ledger.New(pool), Bus: b, Log: s.log,
			Kinds: map[string]syncs.Ask{supplier.SyncPublish: cfg.Fetcher.Poll, supplier.SyncExport: cfg.Fetcher.AskExport},
		}
		s.services.Go(func() error { return scheduler.Run(ctx) })
	}
	return nil
}

func (s *Stack) spoolDir() string { return filepath.Join(s.opts.DataDir, "spool") }

// serve answers HTTP and leaves a note in the data folder of where.
func (s *Stack) serve(b *bus.Bus, pool *pgxpool.Pool, registry *prometheus.Registry) error {
	l := ledger.New(pool)
	j, operator := journal.Journal{Bus: b, Ledger: l}, &operate.Operator{Bus: b, Ledger: l, Pool: pool}
	keeper := &submission.Keeper{Bus: b, Ledger: l, Journal: j, Operator: operator, Pool: pool, Log: s.log}
	server := &api.Server{
		Bus: b, Ledger: l, Journal: j, Store: &writer.Reader{Pool: pool}, Operator: operator, Submissions: keeper,
		Inbox: &inbox.Inbox{Spool: s.spoolDir(), Config: s.opts.Uploads}, Auth: s.opts.Auth, Log: s.log, PublicURL: s.opts.PublicURL, HTTP: s.opts.Fetcher.HTTP,
	}
	if err := server.Recover(); err != nil {
		return fmt.Errorf("see to what was being uploaded: %w", err)
	}
	ready := func(ctx context.Context) error { return errors.Join(b.Ready(ctx), l.Ready(ctx)) }
	listener, err := listen(s.opts.Listen)
	if err != nil {
		return err
	}
	s.URL = "http://" + listener.Addr().String()
	serving, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(serving) })
	running.Go(func() { keeper.Run(serving) })
	running.Go(func() {
		if err := telemetry.Serve(serving, listener, server.Handler(telemetry.Handler(registry, ready))); err != nil {
			s.log.Error().Err(err).Msg("the HTTP interface ended")
		}
	})
	s.onClose(func(context.Context) { stop(); running.Wait() })
	note := Note{URL: s.URL, DatabaseURL: s.DatabaseURL, PID: os.Getpid(), Services: s.opts.Services}
	if err := note.write(s.opts.DataDir); err != nil {
		return err
	}
	s.onClose(func(context.Context) { removeNote(s.opts.DataDir) })
	return nil
}
