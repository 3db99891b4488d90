package pgd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/pgd"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestServerKilled kills the server while a backend is busy, and starts it again at once.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	s := start(t, opts)
	execute(t, s.URL(), insert)
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan struct{})
	go func() {
		defer close(busy)
		// It does not notice that the server is dead before it is done. How it ends is all one.
		_, _ = conn.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 20000000)")
	}()
	await(t, "the query runs", func() bool {
		return query[int](t, s.URL(), "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active' AND pid <> pg_backend_pid()") == 1
	})
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	closeServer(t, s)
	if _, err := os.Stat(filepath.Join(s.DataDir(), "postmaster.pid")); err != nil {
		t.Errorf("no stale postmaster.pid: %v", err)
	}
	wantAnswer(t, start(t, opts))
	<-busy
	_ = conn.Close(t.Context())
}

// TestForeignPID starts on a postmaster.pid whose process id is another process's by now.
func TestForeignPID(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	s := start(t, opts)
	execute(t, s.URL(), insert)
	closeServer(t, s)
	other := exec.Command("sleep", "600")
	if os.Geteuid() == 0 { // PostgreSQL looks for processes of its own user only
		info, err := os.Stat(s.DataDir())
		if err != nil {
			t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t)
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
		other.Dir = "/"
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Wait() }()
	defer func() { _ = other.Process.Kill() }()
	text := fmt.Sprintf("%d\n%s\n", other.Process.Pid, s.DataDir())
	if err := os.WriteFile(filepath.Join(s.DataDir(), "postmaster.pid"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, start(t, opts))
	if !running(other.Process.Pid) {
		t.Error("the other process was killed")
	}
}

// TestOrphan leaves a server running that no process has a claim on.
func TestOrphan(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	opts.Detached = true
	orphan := start(t, opts)
	execute(t, orphan.URL(), insert)
	opts.Detached = false
	s := start(t, opts)
	wantAnswer(t, s)
	if running(orphan.PID()) || s.PID() == orphan.PID() {
		t.Error("the orphan is still running")
	}
}

// TestParentKilled kills a process that runs a server, and wants the server to end by
// itself and what was committed to be there afterwards.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	parent, said := helper(t, opts.Dir)
	pid := serverPID(t, said)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	await(t, "end of the server", func() bool { return !running(pid) })
	wantAnswer(t, start(t, opts))
}

// TestParentKilledAndStartedAgain does not wait for the server to end by itself.
func TestParentKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	opts := initialised(t)
	parent, said := helper(t, opts.Dir)
	serverPID(t, said)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	wantAnswer(t, start(t, opts))
}

// TestInitdbInterrupted kills a process at several moments of its initdb.
func TestInitdbInterrupted(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"PG_VERSION", "postgresql.conf", "base/1/PG_VERSION"} {
		t.Run(filepath.Base(moment), func(t *testing.T) {
			t.Parallel()
			opts := options(pgtest.Dir(t))
			parent, _ := helper(t, opts.Dir)
			pattern := filepath.Join(opts.Dir, "data.new-*")
			await(t, "initdb to make "+moment, func() bool {
				made, err := filepath.Glob(filepath.Join(pattern, moment))
				return err == nil && len(made) > 0
			})
			if err := parent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = parent.Wait()
			if _, err := os.Stat(filepath.Join(opts.Dir, "data")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("initdb was done already: %v", err)
			}
			s := start(t, opts)
			execute(t, s.URL(), insert)
			wantAnswer(t, s)
			if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// helper runs this test's program as another process, which does what TestHelper says. It
// also returns what reads that process's output.
func helper(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelper$")
	cmd.Env = append(cmd.Environ(), "PGD_HELPER_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// serverPID reads the process id that TestHelper prints once its server runs.
func serverPID(t *testing.T, said *bufio.Scanner) int {
	t.Helper()
	for said.Scan() {
		if text, ok := strings.CutPrefix(said.Text(), "pid "); ok {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("the helper did not start a server")
	return 0
}

// TestHelper is the other process of helper. In a run of the tests it does nothing.
func TestHelper(t *testing.T) {
	dir := os.Getenv("PGD_HELPER_DIR")
	if dir == "" {
		return
	}
	s, err := pgd.Start(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	execute(t, s.URL(), insert)
	fmt.Printf("pid %d\n", s.PID())
	<-s.Done() // or until killed
}
