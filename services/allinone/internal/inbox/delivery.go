package inbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Delivery is a folder of files that become one import.
type Delivery struct {
	inbox          *Inbox
	supplier, name string
	ready          bool
}

// What begins the names of open deliveries: that of one request, one that the supplier names, and that of a
// resumable upload.
const (
	onceKind   = "once-"
	namedKind  = "delivery-"
	uploadKind = "upload-"
)

// Begin opens a delivery for one request. Errors: [ErrTooMany], [ErrNoSpace].
func (b *Inbox) Begin(supplier string) (*Delivery, error) {
	return b.begin(supplier, onceKind+rand.Text())
}

// Named returns a delivery that a supplier names, and opens it if it is not open. Errors: [ErrTooMany], [ErrNoSpace].
func (b *Inbox) Named(supplier, name string) (*Delivery, error) {
	d, err := b.begin(supplier, namedKind+name)
	if errors.Is(err, fs.ErrExist) {
		return d, nil
	}
	return d, err
}

// Find returns a delivery that a supplier names, if it is open. Errors: [ErrNotFound].
func (b *Inbox) Find(supplier, name string) (*Delivery, error) {
	d := &Delivery{inbox: b, supplier: supplier, name: namedKind + name}
	if !exists(d.path()) {
		return nil, ErrNotFound
	}
	return d, nil
}

func (d *Delivery) path(below ...string) string {
	which := openDir
	if d.ready {
		which = readyDir
	}
	return d.inbox.dir(d.supplier, append([]string{which, d.name}, below...)...)
}

// IsHanded reports whether the delivery has become an import.
func (d *Delivery) IsHanded() bool { return d.ready }

// Remove removes the delivery with all its files.
func (d *Delivery) Remove() error { return os.RemoveAll(d.path()) }

// File is one of a delivery.
type File struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Files lists the files by their names' bytes, which is their order in the import.
func (d *Delivery) Files() ([]File, error) {
	entries, err := os.ReadDir(d.path(filesDir))
	if err != nil {
		return nil, notFound(err)
	}
	files := []File{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, notFound(err)
		}
		files = append(files, File{e.Name(), info.Size()})
	}
	return files, nil
}

// Receive keeps content as a file of the delivery, on disk when it returns. Limit is in bytes, 0 is none.
// Errors: [ErrTooLarge], [ErrNoSpace], and those of the content's reader; what is there then is for nothing.
func (d *Delivery) Receive(name string, content io.Reader, limit int64) error {
	f, err := os.OpenFile(d.path(filesDir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = d.inbox.copy(f, content, limit)
	return errors.Join(err, f.Close())
}

// Move moves a file into another delivery of the supplier, where it replaces one of its name. Errors: [ErrTooLarge] where that has as
// many as an import can have, [ErrNotFound].
func (d *Delivery) Move(name string, to *Delivery) error {
	d.inbox.mu.Lock()
	defer d.inbox.mu.Unlock()
	there, err := os.ReadDir(to.path(filesDir))
	if err != nil {
		return notFound(err)
	}
	if len(there) >= fhirmsg.MaxSources && !exists(to.path(filesDir, name)) {
		return ErrTooLarge
	}
	if err := os.Rename(d.path(filesDir, name), to.path(filesDir, name)); err != nil {
		return notFound(err)
	}
	now := time.Now() // of the folder, whose files may all be old
	return errors.Join(d.inbox.syncUp(to.path(filesDir)), os.Chtimes(to.path(), now, now))
}

// Hand makes the delivery an import: from its return on it is whole, and its request waits for the queue
// until [Delivery.Published]. The request returned names the files. Errors: [ErrExists] if the import has a delivery already,
// [ErrNotFound] if there are no files.
func (d *Delivery) Hand(req fhirmsg.ImportRequest) (fhirmsg.ImportRequest, error) {
	d.inbox.mu.Lock()
	defer d.inbox.mu.Unlock()
	files, err := d.Files()
	if err != nil {
		return req, err
	}
	if len(files) == 0 {
		return req, ErrNotFound
	}
	req.Sources = nil
	for _, f := range files {
		req.Sources = append(req.Sources, fhirmsg.Source{Spool: handedName(req, f.Name)})
	}
	return req, d.hand(req)
}

// handedName is the name in the spool of a file that a request was handed over with.
func handedName(req fhirmsg.ImportRequest, file string) string {
	return path.Join(uploadsDir, req.Supplier, readyDir, req.ID.String(), filesDir, file)
}

// hand makes the delivery the import of a request that names its files.
func (d *Delivery) hand(req fhirmsg.ImportRequest) error {
	if err := writeJSON(d.path(requestFile), req); err != nil {
		return err
	}
	if err := d.inbox.syncUp(d.path(filesDir)); err != nil {
		return err
	}
	return d.rename(req.ID.String())
}

// rename moves the delivery from open to ready.
func (d *Delivery) rename(name string) error {
	to := &Delivery{inbox: d.inbox, supplier: d.supplier, name: name, ready: true}
	if exists(to.path()) {
		return ErrExists
	}
	if err := os.MkdirAll(filepath.Dir(to.path()), 0o700); err != nil {
		return err
	}
	if err := os.Rename(d.path(), to.path()); err != nil {
		return err
	}
	*d = *to
	return d.inbox.syncUp(filepath.Dir(d.path()))
}

// Published says that the delivery's request is in the queue.
func (d *Delivery) Published() error { return os.Remove(d.path(requestFile)) }

// Waiting calls for each request that may not be in the queue, until the context ends; where publish succeeds, it is not asked for again.
func (b *Inbox) Waiting(ctx context.Context, publish func(context.Context, fhirmsg.ImportRequest) error) error {
	return b.each(readyDir, func(d *Delivery) error {
		if ctx.Err() != nil {
			return nil
		}
		var req fhirmsg.ImportRequest
		if err := readJSON(d.path(requestFile), &req); err != nil {
			return err
		}
		if err := publish(ctx, req); err != nil {
			return err
		}
		return d.Published()
	})
}

// changed is when the delivery or one of its files was last written.
func (d *Delivery) changed() (last time.Time, err error) {
	err = filepath.WalkDir(d.path(), func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return err
	})
	return last, err
}

func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// writeJSON writes a file whole or not at all, and to disk.
func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return noSpace(err)
	}
	return os.Rename(part, name)
}

func readJSON(name string, v any) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// syncUp brings the entries of a folder, and of those above it, to disk.
func (b *Inbox) syncUp(dir string) (err error) {
	for ; err == nil && len(dir) >= len(b.Spool); dir = filepath.Dir(dir) {
		err = syncDir(dir)
	}
	return err
}

// syncDir brings a folder's entries to disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// IsHanded reports whether a delivery of the supplier has become an import that was not fetched yet.
func (b *Inbox) IsHanded(supplier string, id fhirmsg.ImportID) bool {
	return exists((&Delivery{inbox: b, supplier: supplier, name: id.String(), ready: true}).path())
}

// Waits returns the request of a delivery that was handed over, if it may not be in the queue.
func (d *Delivery) Waits() (req fhirmsg.ImportRequest, waits bool) {
	err := readJSON(d.path(requestFile), &req)
	return req, d.ready && err == nil
}
