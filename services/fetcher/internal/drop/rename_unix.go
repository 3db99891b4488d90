//go:build unix

package drop

import (
	"os"

	"golang.org/x/sys/unix"
)

// rename moves what is named in one open folder to a name in another.
func rename(from *os.File, oldName string, into *os.File, newName string) error {
	if err := unix.Renameat(int(from.Fd()), oldName, int(into.Fd()), newName); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}
