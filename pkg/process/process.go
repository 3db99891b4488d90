package process

import (
	"context"
	"errors"
	"io"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/config"
	"github.com/stoker-fhir/stoker/pkg/database"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/pkg/telemetry"
)

// Settings are common to all programs.
type Settings struct {
	NATSURL   config.Secret `env:"NATS_URL,required" doc:"URL of a NATS server with JetStream, with credentials where it wants them"`
	Listen    string        `env:"STOKER_LISTEN" envDefault:":8080" doc:"address of /healthz, /readyz and /metrics"`
	LogLevel  string        `env:"STOKER_LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	LogFormat string        `env:"STOKER_LOG_FORMAT" envDefault:"json" doc:"json or console"`
}

// Database is the setting of the programs that use PostgreSQL.
type Database struct {
	URL config.Secret `env:"DATABASE_URL,required" doc:"URL of PostgreSQL"`
	// Connections says, once the settings are read, for at least how many there is room, unless the URL does (pool_max_conns). nil: four, or as many as there are CPUs.
	Connections func() int
}

// Env is what a service runs with.
type Env struct {
	Bus      *bus.Bus
	Pool     *pgxpool.Pool // nil without a database
	Log      zerolog.Logger
	Metrics  *telemetry.Metrics
	registry *prometheus.Registry
	listen   string
}

// memory is what a service uses without haste: it needs some ten megabytes, and a writer twice
// what its groups hold.
const memory = 256 << 20

// Open reads settings, which into holds, from the environment, and connects. Neither
// server needs to be up. close undoes it.
func Open(name string, into any, common *Settings, db *Database, environ []string, stderr io.Writer) (e Env, closeAll func(), err error) {
	if err := errors.Join(config.CheckUnknown(environ, "STOKER_", into), config.Load(into, environ)); err != nil {
		return e, nil, err
	}
	if e.Log, err = telemetry.NewLogger(stderr, common.LogLevel, common.LogFormat, name); err != nil {
		return e, nil, err
	}
	lifecycle.UseMemory(memory, environ)
	e.listen, e.registry = common.Listen, telemetry.NewRegistry()
	if e.Metrics, err = telemetry.NewMetrics(e.registry, name); err != nil {
		return e, nil, err
	}
	nc, err := bus.Connect(common.NATSURL.Reveal(), name, e.Log)
	if err != nil {
		return e, nil, err
	}
	if e.Bus, err = bus.New(nc, e.Log); err != nil {
		nc.Close()
		return e, nil, err
	}
	if db == nil {
		return e, nc.Close, nil
	}
	connections := 0
	if db.Connections != nil {
		connections = db.Connections()
	}
	if e.Pool, err = database.Connect(context.Background(), db.URL.Reveal(), connections); err != nil {
		nc.Close()
		return e, nil, err
	}
	return e, func() { e.Pool.Close(); nc.Close() }, nil
}

// Run runs a service beside the server of health and metrics. /readyz answers with what is
// not ready, and while the service stops.
func (e Env) Run(ctx context.Context, service func(context.Context) error) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	ready := func(check context.Context) error {
		problems := []error{e.Bus.Ready(check)}
		if e.Pool != nil {
			problems = append(problems, e.Pool.Ping(check))
		}
		if ctx.Err() != nil {
			problems = append(problems, errors.New("stopping"))
		}
		return errors.Join(problems...)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return telemetry.Server(serving, e.listen, e.registry, ready, e.Log) })
	group.Go(func() error {
		defer stopServing()
		e.Log.Info().Msg("started")
		defer e.Log.Info().Msg("stopped")
		return service(ctx)
	})
	return group.Wait()
}
