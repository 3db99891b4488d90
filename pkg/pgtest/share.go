package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// Names in the folder of all servers of a user, and in that of one server.
const (
	lockFile    = "lock"    // held while a server is started, or data made in its folder
	currentFile = "current" // names the folder of the server to use

	folderPrefix = "server-"

	usersPipe = "users"
	urlFile   = "url" // there from when the server is ready until it takes no more users
	serverDir = "pg"
)

// sharing is how the processes of one user find their shared server.
type sharing struct {
	base   string // the folder of all its servers
	linger string // how long a server waits for its next user, in seconds
	data   data   // what a server begins with; empty: it makes its own
}

// share makes the test a user of the shared server, until it ends.
func share(t testing.TB) (serverURL string, _ error) {
	_, serverURL, err := shared(t)
	return serverURL, err
}

// shareDir is share for what is kept in the server's folder.
func shareDir(t testing.TB) (dir string, _ error) {
	users, _, err := shared(t)
	if err != nil {
		return "", err
	}
	return filepath.Dir(users.Name()), nil
}

func shared(t testing.TB) (users *os.File, serverURL string, _ error) {
	base, err := baseDir()
	if err != nil {
		return nil, "", err
	}
	s := sharing{base: base, linger: linger}
	if users, serverURL, err = s.use(t.Context()); err != nil {
		return nil, "", fmt.Errorf("shared server in %s: %w", base, err)
	}
	t.Cleanup(func() { _ = users.Close() })
	return users, serverURL, nil
}

// baseDir is the same for all processes of a user, and nobody else's.
func baseDir() (string, error) {
	base := filepath.Join(os.TempDir(), "stoker-pgtest-user-"+strconv.Itoa(os.Geteuid()))
	if err := os.Mkdir(base, passable()); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(base)
	if err != nil {
		return "", err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() || !info.IsDir() {
		return "", fmt.Errorf("%s is not a folder of ours", base)
	}
	return base, os.Chmod(base, passable()) // whatever the umask made of it
}

// use joins the server that runs or starts one. Closing the file ends the use of it.
func (s sharing) use(ctx context.Context) (users *os.File, serverURL string, _ error) {
	if users, serverURL, ok := s.join(ctx); ok {
		return users, serverURL, nil
	}
	lock, err := lockIn(s.base)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = lock.Close() }()          // holds nothing but the lock
	if users, serverURL, ok := s.join(ctx); ok { // started while we waited
		return users, serverURL, nil
	}
	if err := ctx.Err(); err != nil { // no fault of the server that was not joined
		return nil, "", err
	}
	s.retire(ctx)
	return s.start(ctx)
}

// lockIn waits for the lock of a folder. Closing the file gives it back.
func lockIn(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), lock.Close())
	}
	return lock, nil
}

// join becomes a user of the current server, if there is one and it answers.
func (s sharing) join(ctx context.Context) (users *os.File, serverURL string, ok bool) {
	dir, err := s.current()
	if err != nil {
		return nil, "", false
	}
	users, err = openUsers(dir)
	if err != nil {
		return nil, "", false
	}
	// In this order: having the pipe open and then finding the file makes a user.
	text, err := os.ReadFile(filepath.Join(dir, urlFile))
	if err == nil {
		err = execute(ctx, string(text), "")
	}
	if err != nil {
		_ = users.Close()
		return nil, "", false
	}
	return users, string(text), true
}

// current is the folder of the server to use.
func (s sharing) current() (string, error) {
	name, err := os.ReadFile(filepath.Join(s.base, currentFile))
	return filepath.Join(s.base, filepath.Base(string(name))), err
}

// openUsers fails when no watchdog has the other end of the pipe.
func openUsers(dir string) (*os.File, error) {
	users, err := os.OpenFile(filepath.Join(dir, usersPipe), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if _, err := users.WriteString("\n"); err != nil {
		return nil, errors.Join(err, users.Close())
	}
	return users, nil
}

// start starts a server with its watchdog and makes it the current one. The caller holds
// the lock.
func (s sharing) start(ctx context.Context) (users *os.File, serverURL string, err error) {
	dir, err := os.MkdirTemp(s.base, folderPrefix)
	if err != nil {
		return nil, "", err
	}
	if err := os.Chmod(dir, passable()); err != nil {
		return nil, "", err
	}
	// The watchdog comes first, so that it cleans up if we are killed from here on.
	if users, err = watched(dir, s.linger); err != nil {
		return nil, "", fmt.Errorf("start the watchdog: %w", err)
	}
	defer func() {
		if err != nil {
			_ = users.Close()
		}
	}()
	if err := s.data.copyTo(filepath.Join(dir, serverDir)); err != nil {
		return nil, "", err
	}
	server, err := pgd.Start(ctx, pgd.Options{
		Dir: filepath.Join(dir, serverDir), Database: "stoker",
		Settings: Settings(), Detached: true, Logger: zerolog.Nop(),
	})
	if err != nil {
		return nil, "", err
	}
	for _, file := range []struct{ path, text string }{
		{filepath.Join(dir, dataFile), server.DataDir()},
		{filepath.Join(dir, urlFile), server.URL()},
		{filepath.Join(s.base, currentFile), filepath.Base(dir)},
	} {
		if err := replace(file.path, file.text); err != nil {
			return nil, "", err
		}
	}
	return users, server.URL(), nil
}

// retire lets the current server, which could not be joined, take no more users, and
// deletes those whose watchdog was killed. The caller holds the lock, so none is just being made.
func (s sharing) retire(ctx context.Context) {
	if dir, err := s.current(); err == nil {
		_ = os.Remove(filepath.Join(dir, urlFile)) // gone already if it ended as it should
	}
	// Nothing here must keep a test from running: what stays is only in the way.
	dirs, _ := filepath.Glob(filepath.Join(s.base, folderPrefix+"*"))
	for _, dir := range dirs {
		if users, err := openUsers(dir); err == nil {
			_ = users.Close()
			continue
		}
		if err := pgd.Remove(ctx, filepath.Join(dir, serverDir)); err == nil {
			_ = os.RemoveAll(dir)
		}
	}
}

func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
