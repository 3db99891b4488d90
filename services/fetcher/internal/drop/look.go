package drop

import (
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// delivery is something in a supplier's folder.
type delivery struct{ supplier, name string }

func (d delivery) path() string { return filepath.Join(d.supplier, d.name) }

// sight is what a delivery looked like, and since when.
type sight struct {
	state   uint64 // of paths, sizes and times of change
	since   time.Time
	renamed bool // it came by a rename, as a whole
}

// doneEnding is of files that say that the one without it is complete, unless that was changed since: an earlier delivery of the name may
// have left it.
const doneEnding = ".done"

func isDone(done fs.DirEntry, changed time.Time) bool {
	if done == nil {
		return false
	}
	info, err := done.Info()
	return err == nil && !info.ModTime().Before(changed)
}

// Folders of a supplier that are ours.
const (
	doneName   = "done"
	failedName = "failed"
)

// underWay are endings by which programs name what they still write.
var underWay = []string{".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~"}

func isDelivery(name string) bool {
	if name[0] == '.' || name == doneName || name == failedName || strings.HasSuffix(name, doneEnding) {
		return false
	}
	return !slices.ContainsFunc(underWay, func(ending string) bool { return strings.HasSuffix(strings.ToLower(name), ending) })
}

// moved takes note of something that was renamed into its place.
func (d *drop) moved(n delivery) {
	if !isDelivery(n.name) {
		return
	}
	s := d.seen[n]
	s.renamed = true
	d.seen[n] = s
}

// look returns what is complete in a supplier's folder.
func (d *drop) look(supplier string) (complete []delivery, err error) {
	entries, err := readDir(d.root, supplier)
	if err != nil {
		return nil, err
	}
	there := map[string]fs.DirEntry{}
	for _, e := range entries {
		there[e.Name()] = e
	}
	for one := range d.seen {
		if one.supplier == supplier && there[one.name] == nil {
			delete(d.seen, one)
		}
	}
	for name := range there {
		one := delivery{supplier, name}
		if !isDelivery(name) {
			continue
		}
		state, changed, files, err := d.state(one.path())
		d.say(one.path(), err)
		if err != nil || files == 0 { // a folder that has nothing yet
			continue
		}
		s, known := d.seen[one]
		if !known || s.state != state {
			s.state, s.since = state, d.now()
			d.seen[one] = s
		}
		if s.renamed || isDone(there[name+doneEnding], changed) || d.now().Sub(s.since) >= d.cfg.Settle {
			complete = append(complete, one)
		}
	}
	slices.SortFunc(complete, func(a, b delivery) int { return strings.Compare(a.name, b.name) })
	return complete, nil
}

// maxFiles bounds what looking costs.
const maxFiles = 100_000

var errTooMany = fmt.Errorf("more than %d files: deliver them in several folders", maxFiles)

var seed = maphash.MakeSeed()

// state is a hash of a file or folder that changes when anything of it does, when that was last, and how many files it has.
func (d *drop) state(path string) (state uint64, changed time.Time, files int, err error) {
	var h maphash.Hash
	h.SetSeed(seed)
	err = fs.WalkDir(d.root.FS(), filepath.ToSlash(path), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !e.IsDir() {
			files++
		}
		if files > maxFiles {
			return errTooMany
		}
		if info.ModTime().After(changed) {
			changed = info.ModTime()
		}
		maphash.WriteComparable(&h, struct {
			path    string
			size    int64
			changed int64
		}{path, info.Size(), info.ModTime().UnixNano()})
		return nil
	})
	return h.Sum64(), changed, files, err
}

func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened to read only
	return f.ReadDir(-1)
}
