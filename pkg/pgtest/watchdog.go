package pgtest

import (
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// dataFile says where the server's data is, for the watchdog.
const dataFile = "data"

// linger is how long a server waits for its next user, in seconds: longer than a compiler takes between
// the tests of two packages.
const linger = "60"

//go:embed watchdog.sh
var watchdog string

// watched starts the watchdog of a server's folder and returns the end of its pipe that
// the first user holds. The server is kept for linger seconds after its last user.
func watched(dir, linger string) (users *os.File, err error) {
	path := filepath.Join(dir, usersPipe)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, err
	}
	// Opening a pipe waits for the other end, unless told not to; the shell's reads shall wait.
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	reader := os.NewFile(uintptr(fd), path)
	defer func() { _ = reader.Close() }() // the watchdog has its own
	if users, err = openUsers(dir); err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", watchdog, "stoker-pgtest-watchdog", dir, linger)
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{reader} // 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, users.Close())
	}
	return users, cmd.Process.Release() // it outlives us
}
