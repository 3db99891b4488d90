package drop

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// taken is a delivery that has become an import.
type taken struct {
	supplier string
	id       fhirmsg.ImportID
}

func (t taken) path() string { return filepath.Join(takenName, t.supplier, t.id.String()) }

// Files beside what was delivered.
const (
	reportName   = "report.json"
	outcomesName = "outcomes.ndjson"
)

// take moves a delivery to where it is imported from.
func (d *drop) take(one delivery) error {
	id, err := fhirmsg.NewImportID(d.now(), rand.Reader)
	if err != nil {
		return err
	}
	t := taken{one.supplier, id}
	content := filepath.Join(t.path(), contentName)
	if err := d.root.MkdirAll(content, 0o700); err != nil {
		return err
	}
	if err := d.root.Rename(one.path(), filepath.Join(content, one.name)); err != nil {
		d.root.Remove(content)  //nolint:errcheck // an empty folder does no harm
		d.root.Remove(t.path()) //nolint:errcheck // an empty folder does no harm
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another fetcher took it, or its supplier took it back
		}
		return err
	}
	delete(d.seen, one)
	if err := d.root.Remove(one.path() + doneEnding); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// contentName is the folder of what was delivered, beside which the report comes to lie.
const contentName = "delivery"

// taken are the deliveries that are being imported.
func (d *drop) taken() (all []taken, err error) {
	suppliers, err := readDir(d.root, takenName)
	if err != nil {
		return nil, err
	}
	for _, s := range suppliers {
		imports, err := readDir(d.root, filepath.Join(takenName, s.Name()))
		if err != nil {
			return nil, err
		}
		for _, i := range imports {
			id, err := fhirmsg.ParseImportID(i.Name())
			if err != nil {
				return nil, fmt.Errorf("%s holds something that is not ours: %w", takenName, err)
			}
			all = append(all, taken{s.Name(), id})
		}
	}
	return all, nil
}

// advance asks for a delivery's import and, once that has ended, puts it away.
func (d *drop) advance(ctx context.Context, t taken) error {
	if !d.requested[t.id] {
		entries, err := readDir(d.root, filepath.Join(t.path(), contentName))
		if err != nil || len(entries) == 0 { // not moved yet, or what was moved in is gone
			return ignoreGone(err)
		}
		if err := d.imports.Request(ctx, fhirmsg.ImportRequest{
			ID: t.id, Supplier: t.supplier,
			Sources: []fhirmsg.Source{{Path: filepath.Join(d.cfg.Dir, t.path(), contentName)}},
		}); err != nil {
			return err
		}
		d.requested[t.id] = true
	}
	status, err := d.imports.Status(ctx, t.id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !status.State.Ended():
		return nil
	}
	return d.finish(ctx, t, status)
}

// finish writes the report and moves the import's folder to the supplier's.
func (d *drop) finish(ctx context.Context, t taken, status ledger.Status) error {
	if err := d.write(filepath.Join(t.path(), reportName), func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	}); err != nil {
		return ignoreGone(err)
	}
	if err := d.write(filepath.Join(t.path(), outcomesName), func(w io.Writer) error {
		return d.imports.Reported(ctx, t.id, func(r ledger.RejectRow) error {
			b, err := r.OperationOutcome()
			if err != nil {
				return err
			}
			_, err = w.Write(append(b, '\n'))
			return err
		})
	}); err != nil {
		return ignoreGone(err)
	}
	into := failedName
	if status.State == ledger.StateComplete {
		into = doneName
	}
	for _, path := range []string{t.path(), filepath.Join(t.path(), contentName)} {
		if err := d.root.Chmod(path, 0o755); err != nil {
			return ignoreGone(err)
		}
	}
	name := status.Issued.UTC().Format("20060102T150405Z") + "-" + t.id.String()
	if err := d.putAway(t, filepath.Join(t.supplier, into), name); err != nil {
		return err
	}
	delete(d.requested, t.id)
	d.cfg.Log.Info().Str("supplier", t.supplier).Stringer("import", t.id).Str("state", string(status.State)).
		Dur("after", d.now().Sub(status.Issued).Round(time.Millisecond)).Msg("delivery put away")
	return nil
}

// putAway moves an import's folder into one of its supplier's, who could have made that a link, to
// another supplier's deliveries for instance: so it is held open, and seen to be no link.
func (d *drop) putAway(t taken, folder, name string) error {
	if err := d.root.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	into, err := d.root.Open(folder)
	if err != nil {
		return err
	}
	defer into.Close() //nolint:errcheck // opened to name things by it
	opened, err := into.Stat()
	if err != nil {
		return err
	}
	if named, err := d.root.Lstat(folder); err != nil || !named.IsDir() || !os.SameFile(opened, named) {
		return errors.Join(errNoFolder, err)
	}
	from, err := d.root.Open(filepath.Dir(t.path()))
	if err != nil {
		return ignoreGone(err)
	}
	defer from.Close() //nolint:errcheck // opened to name things by it
	return ignoreGone(rename(from, t.id.String(), into, name))
}

var errNoFolder = errors.New("not a folder: what was imported cannot be put away")

// write writes a file anew. What an earlier attempt left is replaced.
func (d *drop) write(name string, content func(io.Writer) error) (err error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	if err := content(w); err != nil {
		return err
	}
	return w.Flush()
}

// ignoreGone is nil for what another fetcher was quicker with.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// withoutPath drops what the os package says of a path.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %w", pathErr.Op, pathErr.Err)
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return fmt.Errorf("%s: %w", linkErr.Op, linkErr.Err)
	}
	return err
}
