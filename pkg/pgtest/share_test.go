package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// newSharing is apart from the shared server of all other tests, and does not linger.
func newSharing(t *testing.T) sharing {
	t.Helper()
	from, err := cluster(t)
	if err != nil {
		t.Fatal(err)
	}
	return sharing{base: Dir(t), linger: "0", data: from}
}

func mustUse(t *testing.T, s sharing) (*os.File, string) {
	t.Helper()
	users, url, err := s.use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = users.Close() })
	return users, url
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

// awaitEnd wants the current server and all its files to go.
func awaitEnd(t *testing.T, s sharing) {
	t.Helper()
	dir, err := s.current()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "end of the server", func() bool { return missing(dir) })
}

func TestServerEndsWithItsUsers(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	first, was := mustUse(t, s)
	second, url := mustUse(t, s)
	if url != was {
		t.Fatalf("two servers: %s and %s", was, url)
	}
	_ = first.Close()
	if err := execute(t.Context(), url, "SELECT 1"); err != nil {
		t.Errorf("the server ended before its last user: %v", err)
	}
	third, _ := mustUse(t, s)
	_ = second.Close()
	_ = third.Close()
	awaitEnd(t, s)
	if err := execute(t.Context(), url, "SELECT 1"); err == nil {
		t.Error("the server still answers")
	}
	_, url = mustUse(t, s)
	if url == was {
		t.Error("the ended server was found again")
	}
	if err := execute(t.Context(), url, "SELECT 1"); err != nil {
		t.Error(err)
	}
}

// TestProcessesShare has processes that come at the same time, all of which are killed.
func TestProcessesShare(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	var processes []*exec.Cmd
	var outputs []*bufio.Scanner
	for range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelper$")
		cmd.Env = append(cmd.Environ(), "PGTEST_HELPER_BASE="+s.base, "PGTEST_HELPER_DATA="+string(s.data))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		processes, outputs = append(processes, cmd), append(outputs, bufio.NewScanner(out))
	}
	var urls []string
	for _, out := range outputs {
		if !out.Scan() {
			t.Fatal("a process has no server")
		}
		urls = append(urls, out.Text())
	}
	for i, url := range urls {
		if url != urls[0] {
			t.Errorf("two servers: %s and %s", urls[0], url)
		}
		if err := execute(t.Context(), url, "SELECT 1"); err != nil {
			t.Errorf("with %d processes left: %v", len(processes)-i, err)
		}
		_, _ = processes[i].Process.Kill(), processes[i].Wait()
	}
	awaitEnd(t, s)
}

// TestHelper is the other process of TestProcessesShare. In a run of the tests it does nothing.
func TestHelper(t *testing.T) {
	base := os.Getenv("PGTEST_HELPER_BASE")
	if base == "" {
		return
	}
	_, url, err := sharing{base: base, linger: "0", data: data(os.Getenv("PGTEST_HELPER_DATA"))}.use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(url)
	<-t.Context().Done() // never: it is killed
}

// TestServerDies kills the server under its users: the next one gets another.
func TestServerDies(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	users, was := mustUse(t, s)
	dir, err := s.current()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(string(data), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "end of the server", func() bool { return execute(t.Context(), was, "SELECT 1") != nil })
	next, url := mustUse(t, s)
	if err := execute(t.Context(), url, "SELECT 1"); err != nil {
		t.Error(err)
	}
	_ = users.Close()
	await(t, "end of the folder of the killed server", func() bool { return missing(dir) })
	_ = next.Close()
	awaitEnd(t, s)
}

// TestWatchdogDies leaves a server that nobody watches: the next start ends it.
func TestWatchdogDies(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	dir := filepath.Join(s.base, folderPrefix+"left")
	if err := os.Mkdir(dir, passable()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, usersPipe), 0o600); err != nil {
		t.Fatal(err)
	}
	Cluster(t, filepath.Join(dir, serverDir))
	server, err := pgd.Start(t.Context(), pgd.Options{
		Dir: filepath.Join(dir, serverDir), Settings: Settings(), Detached: true, Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	users, _ := mustUse(t, s)
	select {
	case <-server.Done():
	case <-time.After(time.Minute):
		t.Error("the server that nobody watches still runs")
	}
	if !missing(dir) {
		t.Error("its folder is still there")
	}
	_ = users.Close()
	awaitEnd(t, s)
}
