package natsd

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// flock locks an open file until it is closed or the process ends.
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
