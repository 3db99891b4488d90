//go:build !unix

package drop

import (
	"os"
	"path/filepath"
)

// rename moves what is named in one open folder to a name in another.
func rename(from *os.File, oldName string, into *os.File, newName string) error {
	return os.Rename(filepath.Join(from.Name(), oldName), filepath.Join(into.Name(), newName))
}
