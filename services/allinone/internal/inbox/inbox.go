package inbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Config is what users set. Every setting works when absent.
type Config struct {
	Open    int           `env:"OPEN" envDefault:"16" doc:"uploads and deliveries of a supplier that may be open at once; with max_imports, also how many imports beyond it may have what was not fetched yet"`
	MinFree int64         `env:"MIN_FREE" envDefault:"1073741824" doc:"bytes of the disk that uploads leave free; of the files that it can have they leave a hundredth"`
	Expiry  time.Duration `env:"EXPIRY" envDefault:"24h" doc:"after how long without a change an open upload or delivery is removed"`
	Kept    time.Duration `env:"SPOOL_EXPIRY" envDefault:"168h" doc:"after how long content that was handed in by PUT /spool, and that no import names, is removed"`
	Idle    time.Duration `env:"IDLE_TIMEOUT" envDefault:"60s" doc:"longest wait for the next bytes of an upload or another request, and for a supplier to take those of an answer"`
	MinRate int64         `env:"MIN_RATE" envDefault:"512" doc:"least bytes a second of these, on average over the idle timeout"`
	Posted  int64         `env:"RESOURCE_BYTES" envDefault:"16777216" doc:"bytes that a resource or Bundle sent to /fhir may have"`
}

// Validate reports settings that cannot be.
func (c Config) Validate() error {
	if c.Open < 1 || c.Expiry <= 0 || c.Kept <= 0 || c.Idle <= 0 || c.Posted < 1 {
		return errors.New("open, expiry, spool expiry, idle timeout and resource bytes must be more than 0")
	}
	if c.MinFree < 0 || c.MinRate < 0 {
		return errors.New("min free and min rate must not be negative")
	}
	return nil
}

// What can be wrong with what is handed in.
var (
	ErrTooMany  = errors.New("as many uploads and deliveries are open as may be at once; complete one or remove it")
	ErrNotFound = errors.New("no such upload or delivery is open")
	ErrExists   = errors.New("the upload is there already")
	ErrTooLarge = errors.New("more than there may be")
	ErrNotKept  = errors.New("is not there: it was named by an import before, or by none for too long; hand it in again")
	ErrManyKept = fmt.Errorf("%d files were handed in that no import names, which is as many as may be; name them, or wait until they are removed", maxKept)
	ErrTwice    = errors.New("is named twice")
	ErrNoSpace  = errors.New("not enough disk space is left for it; try again later, or ask the operator")
)

// Inbox is what was uploaded. Its methods may be called at the same time.
type Inbox struct {
	Spool string // the spool's folder, an absolute path
	Config

	mu sync.Mutex // what counts, makes and moves deliveries
}

// maxName is the greatest length of a name in bytes.
const maxName = 200

// CheckName reports whether a file or a delivery can be named so. The error does not repeat the name, which may be a patient's.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("a name must have 1 to %d bytes", maxName)
	case name[0] == '.' || strings.ContainsAny(name, `/\`):
		return errors.New(`a name must be one of a file, without a path, and not begin with "."`)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return errors.New("a name must be of printable characters in UTF-8")
	}
	return nil
}

// Parts of the tree.
const (
	uploadsDir  = "uploads"
	openDir     = "open"
	readyDir    = "ready"
	filesDir    = "files"
	requestFile = "request.json"
	uploadFile  = "upload.json"
)

func (b *Inbox) dir(supplier string, below ...string) string {
	return filepath.Join(append([]string{b.Spool, uploadsDir, supplier}, below...)...)
}

// begin makes an open delivery; [ErrTooMany], and [fs.ErrExist] if it is there.
func (b *Inbox) begin(supplier, name string) (*Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.Room(0); err != nil {
		return nil, err
	}
	open := b.dir(supplier, openDir)
	if err := os.MkdirAll(open, 0o700); err != nil {
		return nil, err
	}
	there, err := os.ReadDir(open)
	if err != nil {
		return nil, err
	}
	d := &Delivery{inbox: b, supplier: supplier, name: name}
	if _, err := os.Stat(d.path()); err == nil {
		return d, fs.ErrExist
	}
	if len(there) >= b.Open {
		return nil, ErrTooMany
	}
	return d, os.MkdirAll(d.path(filesDir), 0o700)
}

// each calls for every folder of all suppliers in open or ready. An error of one does not keep it from the others.
func (b *Inbox) each(which string, do func(d *Delivery) error) error {
	var errs []error
	suppliers, err := readDir(b.dir(""))
	if err != nil {
		return err
	}
	for _, s := range suppliers {
		folders, err := readDir(b.dir(s.Name(), which))
		if err != nil {
			return err
		}
		for _, f := range folders {
			d := &Delivery{inbox: b, supplier: s.Name(), name: f.Name(), ready: which == readyDir}
			if err := do(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Unfetched is how many imports of a supplier have files here.
func (b *Inbox) Unfetched(supplier string) (n int, err error) {
	folders, err := readDir(b.dir(supplier, readyDir))
	for _, f := range folders {
		files, err := readDir(b.dir(supplier, readyDir, f.Name(), filesDir))
		if err != nil {
			return 0, err
		}
		if len(files) > 0 {
			n++
		}
	}
	return n, err
}

// readDir is os.ReadDir, where a folder that is not there is empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// Recover removes what a process that ended was receiving in one request, which nobody can go on with. It is
// for the start.
func (b *Inbox) Recover() error {
	if err := b.recoverKept(); err != nil {
		return err
	}
	return b.each(openDir, func(d *Delivery) error {
		if strings.HasPrefix(d.name, onceKind) {
			return d.Remove()
		}
		return nil
	})
}

// Tidy removes what was given up: open deliveries that did not change for long, and what is left of
// imports that have been fetched, or have ended without.
func (b *Inbox) Tidy(now time.Time, ended func(fhirmsg.ImportID) bool) error {
	err := b.each(readyDir, func(d *Delivery) error { return d.tidy(now, ended) })
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(err, b.each(openDir, func(d *Delivery) error {
		changed, err := d.changed()
		if err == nil && now.Sub(changed) > b.Expiry {
			return d.Remove()
		}
		return err
	}))
}

// tidy removes a delivery that was handed over when nobody needs it any more. That of an upload answers for
// a while how it ended.
func (d *Delivery) tidy(now time.Time, ended func(fhirmsg.ImportID) bool) error {
	files, err := os.ReadDir(d.path(filesDir))
	if err != nil || exists(d.path(requestFile)) {
		return err
	}
	id, err := fhirmsg.ParseImportID(d.name)
	if err != nil || len(files) > 0 && !ended(id) {
		return err
	}
	changed, err := d.changed()
	if err == nil && (!exists(d.path(uploadFile)) || now.Sub(changed) > d.inbox.Expiry) {
		return d.Remove()
	}
	for _, f := range files {
		err = cmp.Or(err, os.Remove(d.path(filesDir, f.Name())))
	}
	return err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
