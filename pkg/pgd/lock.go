package pgd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// claim makes the folder and locks it until unclaim or the end of the process. The
// server does not get the file, so the lock does not outlive the process.
func claim(dir string) (*os.File, error) {
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // the server's user passes through; what is inside is closed by itself
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return lock, nil
	}
	_ = lock.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("folder %s is in use by another process", dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

// unclaim ends the claim; a second time it does nothing. Closing the file alone would not do: a
// program that another goroutine is just starting has a copy of it for a moment, and with it
// the lock.
func unclaim(lock *os.File) {
	_ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) // fails where it is closed already
	_ = lock.Close()                                   // nothing was written
}
