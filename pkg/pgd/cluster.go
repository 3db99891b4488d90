package pgd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

const unfinishedPrefix = "data.new-"

// ensureCluster runs initdb unless there is a cluster. It is made under another name, so
// that what is named data is always whole.
func ensureCluster(ctx context.Context, programs programs, place place, sync bool) error {
	if _, err := os.Stat(place.data()); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := removeUnfinished(place); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(place.home, unfinishedPrefix)
	if err != nil {
		return err
	}
	if err := makeCluster(ctx, programs, place, unfinished, sync); err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, place.data()); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	return syncDir(place.home)
}

func removeUnfinished(place place) error {
	left, err := filepath.Glob(filepath.Join(globEscape(place.home), unfinishedPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func makeCluster(ctx context.Context, programs programs, place place, dir string, sync bool) error {
	if err := place.give(dir); err != nil {
		return err
	}
	args := []string{
		"-D", dir, "--username=" + superuser, "--auth-local=trust", "--auth-host=reject",
		"--encoding=UTF8", "--locale=C", "--data-checksums",
	}
	if !sync {
		args = append(args, "--no-sync")
	}
	// Sort by bytes, but know letters beyond ASCII where the system does.
	out, err := runInitdb(ctx, programs, place, append(args, "--lc-ctype=C.UTF-8"))
	if err != nil && strings.Contains(out, "invalid locale") {
		out, err = runInitdb(ctx, programs, place, args)
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// runInitdb returns what initdb said on its standard error.
func runInitdb(ctx context.Context, programs programs, place place, args []string) (string, error) {
	// As in process.go: the thread must live as long as the child that should die with us.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, programs.initdb(), args...)
	prepare(cmd, place.owner)
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	cmd.Cancel = func() error { // with the programs that it started
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	return strings.TrimSpace(said.String()), err
}

// prepare sets what all programs that we start have in common.
func prepare(cmd *exec.Cmd, owner *syscall.Credential) {
	cmd.Dir = "/" // ours may be closed to the other user
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	cmd.Env = childEnv(cmd.Environ())
}

// childEnv keeps what programs need to be found and run. The rest may hold secrets, which the
// user that the server runs as could read, or change PostgreSQL's settings (PGDATA, PGPORT, …).
func childEnv(environ []string) []string {
	env := []string{"LC_ALL=C"} // messages in the language that makeCluster reads
	for _, variable := range environ {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE":
			env = append(env, variable)
		}
	}
	return env
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
