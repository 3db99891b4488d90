package inbox

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// partSuffix ends the names of files that are not whole yet.
const partSuffix = ".part"

// Keep keeps content as a file of the spool itself, for an import that will name it: whole and on disk, or not at all. Limit is
// in bytes, 0 is none. Errors: [ErrTooLarge], [ErrNoSpace], and those of the content's reader.
func (b *Inbox) Keep(name string, content io.Reader, limit int64) (n int64, err error) {
	if err := b.Room(0); err != nil {
		return 0, err
	}
	part := filepath.Join(b.Spool, name+partSuffix)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, noSpace(err)
	}
	n, err = b.copy(f, content, limit)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(part, filepath.Join(b.Spool, name))
	}
	if err == nil {
		err = b.syncUp(b.Spool)
	}
	if err != nil {
		_ = os.Remove(part) // what is left of a failure
	}
	return n, err
}

// recoverKept removes what Keep did not bring to its end.
func (b *Inbox) recoverKept() error {
	entries, err := readDir(b.Spool)
	for _, e := range entries {
		if err == nil && e.Type().IsRegular() && strings.HasSuffix(e.Name(), partSuffix) {
			err = os.Remove(filepath.Join(b.Spool, e.Name()))
		}
	}
	return err
}
