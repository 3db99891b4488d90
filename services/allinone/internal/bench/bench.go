package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/services/allinone/internal/generate"
)

// Options say what to measure.
type Options struct {
	Programs string // folder of nats-server, fetcher, parser and writer
	Dir      string // for data and databases; removed at the end
	Patients int
	Rounds   int // the first is discarded
	Log      io.Writer
}

// bench is the pipeline under measurement.
type bench struct {
	opts      Options
	data      [2]string // the resources, and a later state of all of them
	resources int64
	bytes     int64
	pool      *pgxpool.Pool
	ledger    *ledger.Ledger
	nc        *nats.Conn
	bus       *bus.Bus
	processes []*process
	closers   []func()
}

// Run measures and returns the report.
func Run(ctx context.Context, opts Options) (report *Report, err error) {
	b := &bench{opts: opts}
	defer func() {
		for i := len(b.closers) - 1; i >= 0; i-- {
			b.closers[i]()
		}
	}()
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	report = newReport(b)
	for round := range opts.Rounds {
		for _, s := range scenarios {
			m, err := b.measure(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			b.logf("round %d  %-9s %8.0f resources/s\n", round, s.name, m.rate)
			if round > 0 || opts.Rounds == 1 {
				report.add(s.name, m)
			}
		}
	}
	report.finish(b)
	return report, nil
}

func (b *bench) logf(format string, args ...any) { _, _ = fmt.Fprintf(b.opts.Log, format, args...) }

// prepare makes the data and starts the processes.
func (b *bench) prepare(ctx context.Context) error {
	for revision := range b.data {
		b.data[revision] = filepath.Join(b.opts.Dir, fmt.Sprintf("data%d", revision))
		summary, err := generate.Run(ctx, generate.Options{Dir: b.data[revision], Patients: b.opts.Patients, Seed: 1, Revision: revision})
		if err != nil {
			return err
		}
		b.resources, b.bytes = summary.Resources, summary.Bytes
	}
	b.logf("%d resources, %.0f MB\n", b.resources, float64(b.bytes)/1e6)
	server, err := pgd.Start(ctx, pgd.Options{Dir: filepath.Join(b.opts.Dir, "postgres"), Logger: zerolog.Nop()})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, func() { _ = server.Close(context.WithoutCancel(ctx)) })
	b.processes = append(b.processes, &process{name: "postgres", pid: server.PID()})
	if b.pool, err = pgxpool.New(ctx, server.URL()); err != nil {
		return err
	}
	b.closers = append(b.closers, b.pool.Close)
	b.ledger = ledger.New(b.pool)
	return b.startServices(ctx, server.URL())
}

func (b *bench) startServices(ctx context.Context, databaseURL string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	conf := filepath.Join(b.opts.Dir, "nats.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "listen: %q\njetstream { store_dir: %q, sync_interval: always }\n",
		addr, filepath.Join(b.opts.Dir, "nats")), 0o600); err != nil {
		return err
	}
	env := []string{"NATS_URL=nats://" + addr, "DATABASE_URL=" + databaseURL, "STOKER_LISTEN=127.0.0.1:0"}
	for _, args := range [][]string{{"nats-server", "-c", conf}, {"writer"}, {"parser"}, {"fetcher"}} {
		p, err := start(b.opts.Dir, filepath.Join(b.opts.Programs, args[0]), env, args[1:]...)
		if err != nil {
			return err
		}
		b.processes = append(b.processes, p)
		b.closers = append(b.closers, func() { _ = p.stop() })
	}
	if b.nc, err = bus.Connect("nats://"+addr, "bench", zerolog.Nop()); err != nil {
		return err
	}
	b.closers = append(b.closers, b.nc.Close)
	if b.bus, err = bus.New(b.nc, zerolog.Nop()); err != nil {
		return err
	}
	return b.wait(ctx, func() (bool, error) {
		// The writer migrates the database and sets up the streams.
		return b.ledger.Ready(ctx) == nil && b.bus.Apply(ctx, fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil) == nil, nil
	})
}

// wait asks until done.
func (b *bench) wait(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(20 * time.Millisecond)
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

// importFolder runs one import to its end. No validation named is the default.
func (b *bench) importFolder(ctx context.Context, dir string, validation fhirmsg.Validation) error {
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	req := fhirmsg.ImportRequest{ID: id, Validation: validation, Sources: []fhirmsg.Source{{Path: dir}}}.WithDefaults()
	msg, err := req.Encode()
	if err != nil {
		return err
	}
	if err := b.bus.Publish(ctx, fhirmsg.FetchSubject(req.Supplier), req.MessageID(), msg); err != nil {
		return err
	}
	var state ledger.State
	err = b.wait(ctx, func() (bool, error) {
		err := b.pool.QueryRow(ctx, `SELECT coalesce((SELECT state FROM stoker.import WHERE id = $1), 'accepted')`, [16]byte(id)).Scan(&state)
		return state.Ended(), err
	})
	if err == nil && state != ledger.StateComplete {
		err = errors.New("the import is " + string(state))
	}
	return err
}
