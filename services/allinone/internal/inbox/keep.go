package inbox

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// partSuffix ends the names of files that are not whole yet.
const partSuffix = ".part"

// maxKept is how many files whose names begin with the same prefix Keep keeps: each costs the file system something, also where it is empty.
const maxKept = 1_000

// Keep keeps content as a file of the spool itself, for an import that will name it: whole and on disk, or not at all. The file's name begins
// with a prefix; limit is in bytes, 0 is none, and of all files whose names begin so. Without a prefix there may be any number of files.
// Errors: [ErrTooLarge], [ErrManyKept], [ErrNoSpace], and those of the content's reader.
func (b *Inbox) Keep(prefix string, content io.Reader, limit int64) (name string, n int64, err error) {
	if err := b.Room(0); err != nil {
		return "", 0, err
	}
	left, err := b.left(prefix, limit, 1)
	if err == nil && left == 0 && limit > 0 {
		err = ErrTooLarge
	}
	if err != nil {
		return "", 0, err
	}
	name = prefix + rand.Text() + ".ndjson"
	part := filepath.Join(b.Spool, name+partSuffix)
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, noSpace(err)
	}
	n, err = b.copy(f, content, left)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = b.whole(part, filepath.Join(b.Spool, name), prefix, limit)
	}
	if err == nil {
		err = b.syncUp(b.Spool)
	}
	if err != nil {
		_ = os.Remove(part) // what is left of a failure
	}
	return name, n, err
}

// whole gives a file that was received its name, unless it is too much together with what was received at the same time.
func (b *Inbox) whole(part, path, prefix string, limit int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.left(prefix, limit, 0); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// left is how many bytes of the limit what was handed in leaves, or is on its way, whose names begin with a prefix; 0 without a limit.
// The error is [ErrTooLarge] where it is more, and [ErrManyKept] where with more files it is too many.
func (b *Inbox) left(prefix string, limit int64, more int) (n int64, err error) {
	if prefix == "" && limit == 0 {
		return 0, nil
	}
	files, err := b.kept(prefix)
	n = limit
	for _, f := range files {
		n -= f.Size()
	}
	switch {
	case err != nil:
	case len(files)+more > maxKept:
		err = ErrManyKept
	case limit == 0:
		n = 0
	case n < 0:
		err = ErrTooLarge
	}
	return n, err
}

// kept are the files of the spool itself whose names begin with a prefix, also those that are on their way.
func (b *Inbox) kept(prefix string) (files []fs.FileInfo, err error) {
	entries, err := readDir(b.Spool)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // else it went meanwhile
			files = append(files, info)
		}
	}
	return files, err
}

func isWhole(file fs.FileInfo) bool { return !strings.HasSuffix(file.Name(), partSuffix) }

// NamesKept reports whether a request names what Keep kept.
func NamesKept(req fhirmsg.ImportRequest) bool { return slices.ContainsFunc(req.Sources, namesKept) }

func namesKept(s fhirmsg.Source) bool { return s.Spool != "" && !strings.Contains(s.Spool, "/") }

// HandKept makes a delivery of what Keep kept and a request names, and that the request's import, as [Delivery.Hand] does. So what lies
// in the spool itself is what no import has. The request returned names the files at their new place. Errors: [ErrExists] if the
// import has a delivery already; [ErrNotKept] and [ErrTwice], with the source.
func (b *Inbox) HandKept(req fhirmsg.ImportRequest) (*Delivery, fhirmsg.ImportRequest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.IsHanded(req.Supplier, req.ID) {
		return nil, req, ErrExists
	}
	d := &Delivery{inbox: b, supplier: req.Supplier, name: onceKind + rand.Text()}
	if err := os.MkdirAll(d.path(filesDir), 0o700); err != nil {
		return nil, req, noSpace(err)
	}
	req.Sources = slices.Clone(req.Sources)
	taken := map[string]bool{}
	for i, s := range req.Sources {
		if !namesKept(s) {
			continue
		}
		err := ErrTwice // a file is removed when it has been fetched
		if !taken[s.Spool] {
			err = d.link(s.Spool)
		}
		if err != nil {
			return nil, req, errors.Join(fmt.Errorf("sources[%d].spool: %w", i, err), d.Remove())
		}
		taken[s.Spool] = true
		req.Sources[i].Spool = handedName(req, s.Spool)
	}
	if err := d.hand(req); err != nil {
		return nil, req, errors.Join(err, d.Remove())
	}
	for name := range taken {
		_ = os.Remove(filepath.Join(b.Spool, name)) // if not now, then when its time is up
	}
	return d, req, nil
}

// link puts a file that Keep kept among those of the delivery, under both names until the delivery is handed over: what is not handed
// over when the process ends is removed.
func (d *Delivery) link(name string) error {
	from := filepath.Join(d.inbox.Spool, name)
	if info, err := os.Lstat(from); err != nil || !info.Mode().IsRegular() || !isWhole(info) {
		return ErrNotKept
	}
	err := os.Link(from, d.path(filesDir, name))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotKept
	}
	// File systems without links, and uploads on another one than the spool.
	return d.copyOf(from, name)
}

// copyOf puts a copy of a file among those of the delivery.
func (d *Delivery) copyOf(from, name string) error {
	content, err := os.Open(from)
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // only read
	f, err := os.OpenFile(d.path(filesDir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return noSpace(err)
	}
	_, err = d.inbox.copy(f, content, 0)
	return cmp.Or(err, f.Close())
}

// TidyKept removes what Keep kept and no import named in time, and returns how many files that were, and their bytes. InUse are names
// that imports under way have all the same: those whose requests did not come by HandKept.
func (b *Inbox) TidyKept(now time.Time, inUse func() (map[string]bool, error)) (removed int, bytes int64, err error) {
	files, err := b.kept("")
	files = slices.DeleteFunc(files, func(f fs.FileInfo) bool { return !isWhole(f) || now.Sub(f.ModTime()) <= b.Kept })
	if err != nil || len(files) == 0 {
		return 0, 0, err
	}
	used, err := inUse()
	if err != nil {
		return 0, 0, err
	}
	for _, f := range files {
		if used[f.Name()] {
			continue
		}
		switch gone := os.Remove(filepath.Join(b.Spool, f.Name())); {
		case gone == nil:
			removed, bytes = removed+1, bytes+f.Size()
		case !errors.Is(gone, fs.ErrNotExist): // else an import has it now
			err = errors.Join(err, gone)
		}
	}
	return removed, bytes, err
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
