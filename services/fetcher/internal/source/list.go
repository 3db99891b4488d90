package source

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// Why something in a folder is passed over.
const (
	reasonEnding     = "its ending is not one that is taken"
	reasonHidden     = "hidden"
	reasonIrregular  = "not a regular file"
	reasonLink       = "a symbolic link that leads nowhere or out of the folder"
	reasonFolderLink = "a symbolic link to a folder"
)

// List lists the files of a source. A file is itself, whatever its name; a folder is walked,
// its files in order of their paths' bytes, and so is what lies below a key of a bucket; a URL is one file, which is not asked for yet; a
// manifest is read, with those that follow it. In a folder, endings .ndjson, .jsonl and .json are taken, also with .gz or .zst after them, in
// any case of letters.
//
// A folder within a folder that cannot be read is listed as a file, so that the failure to
// open it is accounted for.
func List(ctx context.Context, s fhirmsg.Source, cfg Config) ([]File, []Skipped, error) {
	switch {
	case s3.IsURL(s.URL):
		return listBucket(ctx, s, cfg)
	case s.URL != "":
		u, err := outbound.ParseURL(s.URL)
		if err != nil {
			return nil, nil, err
		}
		return []File{{Name: urlName(u), Locator: Locator{URL: s.URL, Headers: s.Headers}, Type: s.Type, Size: -1}}, nil, nil
	case s.Manifest != "":
		return listManifest(ctx, s, cfg)
	case s.Delivered != nil:
		return []File{{Name: Name(s), Locator: Locator{Delivered: s.Delivered}, Type: s.Type, Size: -1}}, nil, nil
	case s.Spool != "":
		return listOne(s, Locator{Spool: RawPath(s.Spool)}, cfg)
	}
	path, err := realPath(s.Path, cfg)
	if err != nil {
		return nil, nil, err
	}
	root, err := openFolder(path, cfg)
	if err != nil && !errors.Is(err, errNoFolder) {
		return nil, nil, err
	}
	if err != nil {
		return listOne(s, Locator{Path: RawPath(path)}, cfg)
	}
	defer root.Close() //nolint:errcheck // opened to read only
	w := walk{ctx: ctx, root: root, folder: path, declared: s.Type}
	if err := w.dir("."); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(w.files, func(a, b File) int { return cmp.Compare(a.Locator.Path, b.Locator.Path) })
	slices.SortFunc(w.skipped, func(a, b Skipped) int { return cmp.Compare(a.Name, b.Name) })
	return w.files, w.skipped, nil
}

// listOne lists a local file that was named.
func listOne(s fhirmsg.Source, l Locator, cfg Config) ([]File, []Skipped, error) {
	f, err := openFile(l, cfg)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // opened to read only
	info, err := f.Stat()
	if err != nil {
		return nil, nil, withoutPath(err)
	}
	return []File{{Name: Name(s), Locator: l, Type: s.Type, Size: info.Size()}}, nil, nil
}

// walk collects the files of a folder.
type walk struct {
	ctx      context.Context // of one call of List
	root     *os.Root
	folder   string
	declared string
	files    []File
	skipped  []Skipped
}

func (w *walk) dir(dir string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := readDir(w.root, dir)
	if err != nil && dir == "." {
		return withoutPath(err)
	}
	if err != nil {
		w.take(dir, -1)
		return nil
	}
	for _, e := range entries {
		if err := w.entry(filepath.Join(dir, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func readDir(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened to read only
	return f.ReadDir(-1)
}

func (w *walk) entry(path string, e fs.DirEntry) error {
	link := e.Type()&fs.ModeSymlink != 0
	switch {
	case strings.HasPrefix(e.Name(), "."):
		w.skip(path, reasonHidden)
		return nil
	case e.IsDir():
		return w.dir(path)
	case !link && !e.Type().IsRegular():
		w.skip(path, reasonIrregular)
		return nil
	}
	info, err := w.root.Stat(path) // follows links within the folder
	switch {
	case err != nil && link:
		w.skip(path, reasonLink)
	case err == nil && info.IsDir():
		w.skip(path, reasonFolderLink)
	case err == nil && !info.Mode().IsRegular():
		w.skip(path, reasonIrregular)
	case !taken(e.Name()):
		w.skip(path, reasonEnding)
	case err != nil:
		w.take(path, -1)
	default:
		w.take(path, info.Size())
	}
	return nil
}

func (w *walk) take(path string, size int64) {
	w.files = append(w.files, File{
		Name:    printable(filepath.ToSlash(path)),
		Locator: Locator{Folder: RawPath(w.folder), Path: RawPath(path)},
		Type:    w.declared, Size: size,
	})
}

func (w *walk) skip(path, reason string) {
	w.skipped = append(w.skipped, Skipped{Name: printable(filepath.ToSlash(path)), Reason: reason})
}

// taken reports whether a file's ending is one that is taken from a folder.
func taken(name string) bool {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst"} {
		if s, ok := strings.CutSuffix(name, packed); ok {
			name = s
			break
		}
	}
	switch filepath.Ext(name) {
	case ".ndjson", ".jsonl", ".json":
		return true
	default:
		return false
	}
}

// withoutPath drops what the os package says of a path: files have a name for people, which
// is shown beside.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
