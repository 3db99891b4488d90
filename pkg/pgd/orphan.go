package pgd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

const (
	orphanInterval = 20 * time.Millisecond
	orphanTimeout  = time.Minute // for its shutdown in order
)

// stopOrphan stops a server that an earlier process, which was killed, left on the data. The
// caller holds the lock of the folder, so no living process counts on that server.
func stopOrphan(ctx context.Context, data string, log zerolog.Logger) error {
	pidFile := filepath.Join(data, "postmaster.pid")
	pid, err := readPID(pidFile)
	if err != nil || pid == 0 {
		return err
	}
	switch identify(pid, data) {
	case notRunning:
		return nil // the server deals with a file that was left behind
	case stranger:
		// The id was given to another process since. PostgreSQL would take that for a server
		// if it is of the same user, and refuse to start for as long as it lives.
		return os.Remove(pidFile)
	case unknown:
		return fmt.Errorf("process %d may be a PostgreSQL at work on %s: stop it first", pid, data)
	}
	log.Warn().Int("pid", pid).Msg("stopping a PostgreSQL that was left behind")
	return stopPID(ctx, pid, data)
}

func stopPID(ctx context.Context, pid int, data string) error {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{{syscall.SIGINT, orphanTimeout}, {syscall.SIGQUIT, quitTimeout}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", pid, err)
		}
		if gone(ctx, pid, data, step.timeout) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("process %d, a PostgreSQL at work on %s, does not stop", pid, data)
}

func gone(ctx context.Context, pid int, data string, timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(orphanInterval)
	defer tick.Stop()
	for {
		if identify(pid, data) != ours {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// readPID reads the first line of postmaster.pid; 0 if there is no such file.
func readPID(path string) (int, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s does not begin with a process id", path)
	}
	return pid, nil
}

// identity is what a process is to the data folder.
type identity int

const (
	notRunning identity = iota
	ours                // a server at work on it
	stranger            // something else
	unknown             // no telling
)

func identify(pid int, data string) identity {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return notRunning
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat("/proc/self"); err != nil {
			return unknown // not Linux
		}
		return notRunning // it ended just now
	}
	if err != nil {
		return unknown
	}
	args := commandLine(text)
	if name := filepath.Base(args[0]); name != "postgres" && name != "postmaster" {
		return stranger // also a zombie, whose command line is empty
	}
	// A server that we started names the folder. Where that was moved since, the server's
	// working folder tells, but only root outside containers may always look at it.
	if i := slices.Index(args, "-D"); i >= 0 && i+1 < len(args) && args[i+1] == data {
		return ours
	}
	works, err := os.Stat(filepath.Join(proc, "cwd"))
	if err != nil {
		return unknown
	}
	if wanted, err := os.Stat(data); err != nil || !os.SameFile(works, wanted) {
		return stranger
	}
	return ours
}

func commandLine(text []byte) []string {
	var args []string
	for arg := range bytes.SplitSeq(bytes.TrimRight(text, "\x00"), []byte{0}) {
		args = append(args, string(arg))
	}
	return args
}
