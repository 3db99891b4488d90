package pgtest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func name(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	var name string
	if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestNew wants two databases without a trace of one in the other, and both dropped at the
// end of their test although connections are left.
func TestNew(t *testing.T) {
	t.Parallel()
	var ended string
	t.Run("inner", func(t *testing.T) {
		one, two := connect(t, pgtest.New(t)), connect(t, pgtest.New(t))
		if _, err := one.Exec(t.Context(), "CREATE SCHEMA stoker"); err != nil {
			t.Fatal(err)
		}
		if _, err := two.Exec(t.Context(), "CREATE SCHEMA stoker"); err != nil {
			t.Error(err)
		}
		ended = name(t, one)
	})
	outer := connect(t, pgtest.New(t))
	var left bool
	if err := outer.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", ended).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left {
		t.Error("the database was not dropped")
	}
}

// TestPrepared: databases of one key begin as prepare left the first, without a trace of each other, and prepare is called
// once, also by tests that come together.
func TestPrepared(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	key := rand.Text()
	prepare := func(ctx context.Context, url string) error {
		calls.Add(1)
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "CREATE TABLE kept AS SELECT 42 AS answer")
		return errors.Join(err, conn.Close(ctx))
	}
	var together sync.WaitGroup
	urls := make([]string, 4)
	for i := range urls {
		together.Go(func() { urls[i] = pgtest.Prepared(t, key, prepare) })
	}
	together.Wait()
	for _, url := range urls {
		if _, err := connect(t, url).Exec(t.Context(), "ALTER TABLE kept RENAME TO changed"); err != nil {
			t.Error(err)
		}
	}
	if n := calls.Load(); n != 1 && os.Getenv("STOKER_TEST_DATABASE_URL") == "" {
		t.Errorf("prepare was called %d times, want once", n)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	dir := pgtest.Dir(t)
	var was string
	t.Run("first", func(t *testing.T) {
		server := pgtest.ServerIn(t, dir)
		was = server.URL()
		if _, err := connect(t, was).Exec(t.Context(), "CREATE TABLE kept ()"); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := pgx.Connect(t.Context(), was); err == nil {
		t.Error("the server did not end with its test")
	}
	if _, err := connect(t, pgtest.ServerIn(t, dir).URL()).Exec(t.Context(), "SELECT FROM kept"); err != nil {
		t.Error(err)
	}
	if got := name(t, connect(t, pgtest.Server(t).URL())); got != "stoker" {
		t.Errorf("database: got %s, want stoker", got)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		pgtest.New(b)
	}
}
