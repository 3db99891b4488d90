package natsd

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// flock locks an open file until it is unlocked or the process ends.
func flock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("in use by another server")
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// unlock also closes the file. Closing alone would not do: a program that another goroutine
// is just starting has a copy of the file for a moment, and with it the lock.
func unlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) // fails where it is closed already
	_ = file.Close()                                   // nothing was written
}
