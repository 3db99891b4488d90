package stack

import (
	"context"
	"testing"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
	"github.com/stoker-fhir/stoker/services/writer"
)

// TestRoomBesideWriters: the connections that all services share are more than the writer's transactions, however many these are.
func TestRoomBesideWriters(t *testing.T) {
	t.Parallel()
	const transactions = 40
	s := &Stack{log: zerolog.Nop(), opts: Options{DatabaseURL: pgtest.New(t), Writer: writer.Config{Transactions: transactions}}}
	t.Cleanup(func() { s.Close(context.WithoutCancel(t.Context())) })
	pool, err := s.openDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if total := pool.Config().MaxConns; total < transactions+besideWriters {
		t.Fatalf("%d connections for %d transactions and all else", total, transactions)
	}
	for range transactions {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
