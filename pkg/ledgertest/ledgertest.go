package ledgertest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/natstest"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// URL makes a database with the ledger's schema, and returns how to connect to it. It is dropped when the test ends.
func URL(t testing.TB) (databaseURL string) {
	t.Helper()
	return pgtest.Prepared(t, ledger.SchemaHash(), migrate)
}

// New is URL, connected.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), URL(t))
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Servers are a database with the ledger's schema, and a queue with all streams and the consumer of one type: Patient.
type Servers struct {
	Pool *pgxpool.Pool
	NATS *nats.Conn
	Bus  *bus.Bus
}

// NewServers makes them for this test alone.
func NewServers(t testing.TB) Servers {
	t.Helper()
	s := Servers{Pool: New(t)}
	var err error
	if s.NATS, err = natstest.New(t).Connect(); err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	t.Cleanup(s.NATS.Close)
	if s.Bus, err = bus.New(s.NATS, zerolog.Nop()); err == nil {
		err = s.Bus.Apply(t.Context(), []string{"Patient"}, nil)
	}
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	return s
}

func migrate(ctx context.Context, databaseURL string) error {
	pool, err := pgxpool.New(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	return ledger.Migrate(ctx, pool)
}
