package inbox

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// checkEvery is after how many bytes it is looked again how much of the disk is free.
const checkEvery = 64 << 20

// copy appends content to a file, and brings it to disk, also what came before an error.
func (b *Inbox) copy(f *os.File, content io.Reader, limit int64) (n int64, err error) {
	for err == nil {
		var more int64
		most := int64(checkEvery)
		if limit > 0 {
			most = min(most, limit-n+1) // one too many shows that there is more
		}
		more, err = io.CopyN(f, content, most)
		n += more
		switch {
		case limit > 0 && n > limit:
			err = ErrTooLarge
		case err == nil:
			err = b.room(0)
		}
	}
	if err == io.EOF { //nolint:errorlint // what CopyN returns at the end is io.EOF itself
		err = nil
	}
	if syncErr := f.Sync(); err == nil {
		err = syncErr
	}
	return n, noSpace(err)
}

// Room reports [ErrNoSpace] where so many bytes more would not leave enough of the disk free.
func (b *Inbox) Room(bytes int64) error {
	if err := os.MkdirAll(b.Spool, 0o700); err != nil {
		return err
	}
	return b.room(bytes)
}

func (b *Inbox) room(bytes int64) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(b.Spool, &stat); err != nil {
		return err
	}
	if !hasRoom(stat, bytes, b.MinFree) {
		return ErrNoSpace
	}
	return nil
}

// hasRoom reports whether so many bytes more leave enough of a file system free, and a hundredth of the files that it can have: some have
// room for a fixed number, and some do not tell.
func hasRoom(stat syscall.Statfs_t, bytes, minFree int64) bool {
	free, files := int64(stat.Bavail)*int64(stat.Bsize), float64(stat.Ffree) //nolint:unconvert // not the same types everywhere
	return free-bytes >= minFree && files >= float64(stat.Files)/100
}

// noSpace is [ErrNoSpace] for what the system says of a full disk.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ErrNoSpace
	}
	return err
}
