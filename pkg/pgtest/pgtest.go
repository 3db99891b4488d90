package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// cleanupTimeout bounds what is done after a test, when its own context has ended.
const cleanupTimeout = time.Minute

// Settings make a server fast that holds nothing but test data.
func Settings() map[string]string {
	return map[string]string{
		"fsync":            "off",
		"full_page_writes": "off",
		"shared_buffers":   "64MB",
		"max_connections":  "500",
		"max_wal_size":     "1GB",
		"min_wal_size":     "80MB",
	}
}

// New makes an empty database and returns how to connect to it. It is dropped when the test
// ends, with the connections that are left.
func New(t testing.TB) (databaseURL string) {
	t.Helper()
	return newDatabase(t, nil)
}

// Prepared is New of a database that is as prepare leaves one. That is called once on a server, for all tests that give
// the same key: the key names what prepare does, in all its detail, since tests of other versions may share the server.
// prepare must close its connections.
func Prepared(t testing.TB, key string, prepare func(ctx context.Context, databaseURL string) error) (databaseURL string) {
	t.Helper()
	return newDatabase(t, &preparation{key, prepare})
}

func newDatabase(t testing.TB, p *preparation) (databaseURL string) {
	t.Helper()
	skipIfShort(t)
	server := os.Getenv("STOKER_TEST_DATABASE_URL") //nolint:forbidigo // tests have no configuration but the environment
	ours := server == ""
	if ours {
		var err error
		if server, err = share(t); err != nil {
			t.Fatalf("pgtest: %v", err)
		}
	}
	databaseURL, err := create(t, server, ours, p)
	if err == nil && p != nil && !ours { // a template would stay there for ever
		err = p.prepare(t.Context(), databaseURL)
	}
	if err != nil {
		t.Fatalf("pgtest: create a database: %v", err)
	}
	return databaseURL
}

// create makes a database on a server, ours or not, and drops it when the test ends. On ours it begins as p says; nil: empty.
func create(t testing.TB, server string, ours bool, p *preparation) (string, error) {
	location, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(t.Context()) }() // whether it worked is known by then
	name := "test_" + strings.ToLower(rand.Text())
	statement := "CREATE DATABASE " + name
	if ours && p != nil {
		template, err := p.template(t.Context(), conn, *location)
		if err != nil {
			return "", err
		}
		statement += " TEMPLATE " + template
	}
	if ours && majorVersion(conn) >= 15 {
		// Where nothing is synced, this takes half as long as the newer way through the log.
		statement += " STRATEGY file_copy"
	}
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := execute(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Logf("pgtest: drop the database: %v", err) // no fault of the test
		}
	})
	location.Path = "/" + name
	return location.String(), nil
}

func majorVersion(conn *pgx.Conn) int {
	digits, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	version, _ := strconv.Atoi(digits) // 0 for what is no release
	return version
}

func execute(ctx context.Context, server, sql string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // whether it worked is known by then
	_, err = conn.Exec(ctx, sql)
	return err
}

// Server starts a server for this test alone, in a folder of [Dir], and stops it when the test ends.
func Server(t testing.TB) *pgd.Server {
	t.Helper()
	return ServerIn(t, Dir(t))
}

// ServerIn is Server in a given folder, as for a second start on the data of a first. The
// folder stays. A first start is on the data of [Cluster].
func ServerIn(t testing.TB, dir string) *pgd.Server {
	t.Helper()
	Cluster(t, dir)
	server, err := pgd.Start(t.Context(), pgd.Options{Dir: dir, Settings: Settings(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return server
}

// Dir makes a folder for a server, which unlike t.TempDir is open to the user that root runs
// the server as. It is deleted when the test ends, with the server's data wherever it is.
func Dir(t testing.TB) string {
	t.Helper()
	skipIfShort(t)
	dir, err := os.MkdirTemp("", "stoker-pgtest-")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := pgd.Remove(ctx, dir); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	if err := os.Chmod(dir, passable()); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return dir
}

// passable is the mode of folders on the way to a server's data.
func passable() os.FileMode {
	if os.Geteuid() == 0 {
		return 0o711
	}
	return 0o700
}

func skipIfShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
}
