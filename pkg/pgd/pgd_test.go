package pgd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// options are those of a server whose tests kill processes, not machines.
func options(dir string) pgd.Options {
	return pgd.Options{Dir: dir, Settings: pgtest.Settings(), Logger: zerolog.Nop()}
}

// initialised are options of a folder that has its data already, for tests that are about what comes after initdb.
func initialised(t *testing.T) pgd.Options {
	t.Helper()
	dir := pgtest.Dir(t)
	pgtest.Cluster(t, dir)
	return options(dir)
}

func start(t *testing.T, opts pgd.Options) *pgd.Server {
	t.Helper()
	s, err := pgd.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeServer(t, s) })
	return s
}

func closeServer(t *testing.T, s *pgd.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var value T
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

const (
	insert = "CREATE TABLE kept AS SELECT 42 AS answer"
	answer = "SELECT answer FROM kept"
)

func wantAnswer(t *testing.T, s *pgd.Server) {
	t.Helper()
	if got := query[int](t, s.URL(), answer); got != 42 {
		t.Errorf("got %d, want 42", got)
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// running tells whether a process is alive and not merely waiting to be reaped.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	status, err := exec.Command("ps", "-o", "stat=", "-p", itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(status)), "Z")
}

// TestRestartKeepsData uses the settings that users get.
func TestRestartKeepsData(t *testing.T) {
	t.Parallel()
	opts := pgd.Options{Dir: pgtest.Dir(t), Logger: zerolog.Nop()}
	s := start(t, opts)
	execute(t, s.URL(), insert)
	for setting, want := range map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
		"server_encoding": "UTF8", "lc_collate": "C", "listen_addresses": "",
		"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0",
		"log_min_error_statement": "panic", "log_error_verbosity": "terse",
	} {
		if got := query[string](t, s.URL(), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
	if !strings.Contains(query[string](t, s.URL(), "SELECT enumvals::text FROM pg_settings WHERE name = 'default_toast_compression'"), "lz4") {
		t.Log("this PostgreSQL has no lz4")
	} else if got := query[string](t, s.URL(), "SHOW default_toast_compression"); got != "lz4" {
		t.Errorf("default_toast_compression: got %q, want lz4", got)
	}
	closeServer(t, s)
	if running(s.PID()) {
		t.Error("still running after Close")
	}
	<-s.Done()
	closeServer(t, s)

	wantAnswer(t, start(t, opts))
}

func TestSettingsOverride(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	opts.Settings["work_mem"] = "5MB"
	opts.Settings["default_toast_compression"] = "pglz"
	opts.Database = `odd "name"`
	s := start(t, opts)
	for setting, want := range map[string]string{"work_mem": "5MB", "default_toast_compression": "pglz"} {
		if got := query[string](t, s.URL(), "SHOW "+setting); got != want {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
	if got := query[string](t, s.URL(), "SELECT current_database()"); got != opts.Database {
		t.Errorf("database: got %q, want %q", got, opts.Database)
	}
}

// TestPsql checks that libpq understands the URL, whatever the environment says.
func TestPsql(t *testing.T) {
	t.Parallel()
	s := start(t, initialised(t))
	cmd := exec.CommandContext(t.Context(), "psql", "-XAtc", "SELECT current_database(), current_user", s.URL())
	cmd.Env = append(cmd.Environ(), "PGPORT=1", "PGHOST=nowhere", "PGUSER=nobody", "PGDATABASE=none")
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "stoker|stoker" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestBadSetting wants the server's own words in the error, and the folder free afterwards.
func TestBadSetting(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	opts.Settings["work_mem"] = "much"
	if _, err := pgd.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("got %v, want it to name work_mem", err)
	}
	delete(opts.Settings, "work_mem")
	start(t, opts)
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	opts := options(pgtest.Dir(t))
	if _, err := pgd.Start(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("start: got %v, want %v", err, context.Canceled)
	}
	pgtest.Cluster(t, opts.Dir)
	s := start(t, opts)
	execute(t, s.URL(), insert)
	// A connection in a transaction does not keep the server from ending.
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "BEGIN; CREATE TABLE lost ()"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("close: got %v, want %v", err, context.Canceled)
	}
	if running(s.PID()) {
		t.Error("still running after Close")
	}
	s = start(t, opts)
	wantAnswer(t, s)
	if got := query[bool](t, s.URL(), "SELECT to_regclass('lost') IS NULL"); !got {
		t.Error("what was not committed is there")
	}
}

func TestFolderInUse(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	s := start(t, opts)
	if _, err := pgd.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("start: got %v, want in use", err)
	}
	if err := pgd.Remove(t.Context(), opts.Dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("remove: got %v, want in use", err)
	}
	if got := query[int](t, s.URL(), "SELECT 1"); got != 1 {
		t.Error("the first server suffered")
	}
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	one, two := start(t, initialised(t)), start(t, initialised(t))
	execute(t, one.URL(), insert)
	if got := query[bool](t, two.URL(), "SELECT to_regclass('kept') IS NULL"); !got {
		t.Error("the servers share their data")
	}
}

// TestFolderNames has names that do not fit in a socket's address.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{
		"long":    strings.Repeat("long/", 30),
		"special": `a b,c"d'e%20[f]*ü`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(pgtest.Dir(t), folder)
			t.Cleanup(func() {
				if err := pgd.Remove(context.Background(), dir); err != nil {
					t.Error(err)
				}
			})
			s := start(t, options(dir))
			execute(t, s.URL(), insert)
			_, socket, _ := strings.Cut(strings.TrimSuffix(s.URL(), "&port=5432"), "host=")
			if _, err := os.Stat(socket); err != nil {
				t.Error(err)
			}
			closeServer(t, s)
			if _, err := os.Stat(socket); !strings.HasPrefix(socket, dir) && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket's folder is still there: %v", err)
			}
			wantAnswer(t, start(t, options(dir)))
		})
	}
}

// TestLogHasNoValues makes errors whose text, detail, context and statement quote values.
func TestLogHasNoValues(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	s := start(t, opts)
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "CREATE TABLE p (id text PRIMARY KEY, n int)"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"SELECT 'MARKER'::int",
		"SELECT '{MARKER}'::jsonb",
		"INSERT INTO p VALUES ('MARKER', 1), ('MARKER', 2)",
		"DO $$ BEGIN RAISE WARNING 'MARKER'; RAISE EXCEPTION 'MARKER'; END $$",
	} {
		_, err := conn.Exec(t.Context(), sql)
		if err == nil || !strings.Contains(err.Error()+sql, "MARKER") {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "SELECT $1::text::int", "MARKER"); err == nil {
		t.Error("no error with a parameter")
	}
	rows := pgx.CopyFromRows([][]any{{"MARKER", 1}, {"MARKER", 2}})
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"p"}, []string{"id", "n"}, rows); err == nil {
		t.Error("no error with COPY")
	}
	closeServer(t, s)
	logged, err := os.ReadFile(filepath.Join(opts.Dir, "postgresql.log"))
	if err != nil {
		t.Fatal(err)
	}
	if len(logged) == 0 || strings.Contains(string(logged), "MARKER") {
		t.Errorf("logged:\n%s", logged)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(pgtest.Dir(t), "pg")
	pgtest.Cluster(t, dir)
	opts := options(dir)
	opts.Detached = true
	s := start(t, opts)
	if err := pgd.Remove(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	await(t, "end of the server", func() bool { return !running(s.PID()) })
	for _, path := range []string{dir, s.DataDir()} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if err := pgd.Remove(t.Context(), dir); err != nil {
		t.Errorf("nothing to remove: %v", err)
	}
}
