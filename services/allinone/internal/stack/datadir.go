package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse is returned for a data folder that another process owns.
var ErrInUse = errors.New("the data folder is in use by another stoker process")

// lockDir makes this process the owner of a data folder. The system gives the lock back when
// the process ends, in whatever way.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// Note says how to reach the process that owns a data folder.
type Note struct {
	URL         string `json:"url"`
	DatabaseURL string `json:"database_url"`
	PID         int    `json:"pid"`
	Services    bool   `json:"services"` // it runs the three services
}

const noteName = "stoker.json"

func (n Note) write(dir string) error {
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("note in the data folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, noteName), b, 0o600); err != nil {
		return fmt.Errorf("note in the data folder: %w", err)
	}
	return nil
}

func removeNote(dir string) { _ = os.Remove(filepath.Join(dir, noteName)) }

// Running returns the note of the process that owns a data folder; ok is false where none
// does.
func Running(dir string) (n Note, ok bool) {
	unlock, err := lockDir(dir)
	if err == nil {
		unlock()
		return n, false
	}
	if !errors.Is(err, ErrInUse) {
		return n, false
	}
	b, err := os.ReadFile(filepath.Join(dir, noteName))
	if err != nil || json.Unmarshal(b, &n) != nil {
		return n, false
	}
	return n, true
}
