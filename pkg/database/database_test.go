package database_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/stoker-fhir/stoker/pkg/database"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestConnect: every connection has a short time in which a vanished client is noticed.
func TestConnect(t *testing.T) {
	t.Parallel()
	pool, err := database.Connect(t.Context(), pgtest.New(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	var tcp bool
	var idle, timeout int
	if err := pool.QueryRow(t.Context(), `SELECT inet_client_addr() IS NOT NULL,
			current_setting('tcp_keepalives_idle')::int, (SELECT setting::int FROM pg_settings WHERE name = 'tcp_user_timeout')`).
		Scan(&tcp, &idle, &timeout); err != nil {
		t.Fatal(err)
	}
	if tcp && (idle != 10 || timeout != 25000) || !tcp && idle+timeout != 0 {
		t.Errorf("TCP %v: keepalives after %d s, timeout %d ms; want 10 and 25000 over TCP, 0 over a Unix socket", tcp, idle, timeout)
	}
	if _, err := database.Connect(t.Context(), "postgres://user:secret@host:port/db", 0); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error of a wrong URL: %v", err)
	}
}

// TestConnections: a pool has room for what shares it, unless the URL limits it. Nothing is connected for that.
func TestConnections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url     string
		atLeast int
		want    func(n int32) bool
	}{
		{"postgres://a@localhost/db", 500, func(n int32) bool { return n == 500 }},
		{"postgres://a@localhost/db", 0, func(n int32) bool { return n >= 4 }}, // pgx's own
		{"postgres://a@localhost/db?pool_max_conns=7", 500, func(n int32) bool { return n == 7 }},
		{"host=localhost pool_max_conns=7", 500, func(n int32) bool { return n == 7 }},
	} {
		pool, err := database.Connect(t.Context(), tt.url, tt.atLeast)
		if err != nil {
			t.Fatal(err)
		}
		if n := pool.Config().MaxConns; !tt.want(n) {
			t.Errorf("%s, at least %d: %d connections", tt.url, tt.atLeast, n)
		}
		pool.Close()
	}
}

// TestKilledClient: what a client that is killed had begun ends within seconds.
func TestKilledClient(t *testing.T) {
	t.Parallel()
	pool, err := database.Connect(t.Context(), pgtest.New(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	acquired, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := acquired.Hijack().PgConn().Hijack() // which tells the server nothing when it closes
	if err != nil {
		t.Fatal(err)
	}
	client.Frontend.Send(&pgproto3.Query{String: "SELECT pg_sleep(600)"})
	if err := client.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	until := func(what string, want bool) {
		t.Helper()
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for end := time.Now().Add(30 * time.Second); ; <-ticker.C {
			var works bool
			if err := pool.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`, client.PID).Scan(&works); err != nil {
				t.Fatal(err)
			}
			if works == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("not in time: %s", what)
			}
		}
	}
	until("it works", true)
	if err := client.Conn.Close(); err != nil {
		t.Fatal(err)
	}
	until("it ends", false)
}
