package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// delivery is what one import is of.
type delivery struct {
	supplier, dataset string
	mode              fhirmsg.Mode
	validation        fhirmsg.Validation
	chunk             int // bytes
	dir               string
	lines, resources  int64 // resources are those to be stored, with deletions
}

func (d delivery) request(id fhirmsg.ImportID, prefix string) fhirmsg.ImportRequest {
	return fhirmsg.ImportRequest{
		ID: id, Supplier: d.supplier, Dataset: prefix + d.dataset, Mode: d.mode, Validation: d.validation,
		ChunkSize: d.chunk, Sources: []fhirmsg.Source{{Path: d.dir}},
	}.WithDefaults()
}

// recipe says what a delivery is made of: passes over the same resources, one after the other,
// so that a later pass holds the later versions.
type recipe struct {
	supplier, dataset string
	mode              fhirmsg.Mode
	passes            []pass
	bundles           bool // in batch Bundles, with deletions
	gzip              bool
	large             bool // with a resource that does not fit into a message
}

type pass struct{ revision, percent int } // of all resources

// recipes are in the order of the imports. The dataset shared gets updates from both
// suppliers; the dataset other goes by dates, which do not come in their order.
var recipes = []recipe{
	{supplier: "north", dataset: "shared", mode: fhirmsg.ModeOverwrite, passes: []pass{{1, 20}, {0, 100}}, large: true},
	{supplier: "south", dataset: "shared", mode: fhirmsg.ModeOverwrite, passes: []pass{{1, 60}}, gzip: true},
	{supplier: "north", dataset: "other", mode: fhirmsg.ModeSync, passes: []pass{{2, 50}}},
	{supplier: "south", dataset: "other", mode: fhirmsg.ModeSync, passes: []pass{{0, 100}}, gzip: true, large: true},
	{supplier: "north", dataset: "shared", mode: fhirmsg.ModeOverwrite, passes: []pass{{2, 40}}, bundles: true},
	{supplier: "south", dataset: "shared", mode: fhirmsg.ModeOverwrite, passes: []pass{{1, 5}, {3, 25}}},
	{supplier: "south", dataset: "other", mode: fhirmsg.ModeSync, passes: []pass{{1, 30}}, bundles: true},
}

// datasets are those of the recipes.
var datasets = []string{"shared", "other"}

// chunkSizes are what imports are cut to; small data needs small chunks to be many messages.
func chunkSizes(patients int) []int {
	if patients < 50 {
		return []int{16 << 10, 64 << 10}
	}
	return []int{128 << 10, 512 << 10, fhirmsg.DefaultChunkSize}
}

// makeDeliveries writes what the suppliers deliver into folders of dir.
func makeDeliveries(ctx context.Context, dir string, seed uint64, patients int) ([]delivery, error) {
	all := make([]delivery, len(recipes))
	var group errgroup.Group
	for i, r := range recipes {
		random := newRandom(seed, uint64(i))
		d := delivery{
			supplier: r.supplier, dataset: r.dataset, mode: r.mode, dir: filepath.Join(dir, fmt.Sprintf("%d-%s-%s", i, r.supplier, r.dataset)),
			validation: pick(random, []fhirmsg.Validation{fhirmsg.ValidationOff, fhirmsg.ValidationWarn}),
			chunk:      pick(random, chunkSizes(patients)),
		}
		group.Go(func() error {
			if err := os.MkdirAll(d.dir, 0o755); err != nil {
				return err
			}
			w := &writing{recipe: r, delivery: &d, random: random, files: map[string]*output{}}
			if err := errors.Join(w.write(ctx, seed, patients), w.close()); err != nil {
				return fmt.Errorf("make delivery %d: %w", i, err)
			}
			all[i] = d
			return nil
		})
	}
	return all, group.Wait()
}

// output is one file of a delivery.
type output struct {
	*bufio.Writer
	closers []io.Closer
}

// file opens a file of the delivery, once.
func (w *writing) file(name string) (*output, error) {
	if o, ok := w.files[name]; ok {
		return o, nil
	}
	path := filepath.Join(w.delivery.dir, name+".ndjson")
	if w.recipe.gzip {
		path += ".gz"
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	o := &output{Writer: bufio.NewWriterSize(f, 128<<10), closers: []io.Closer{f}}
	if w.recipe.gzip {
		z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		o.Writer, o.closers = bufio.NewWriterSize(z, 128<<10), []io.Closer{z, f}
	}
	w.files[name] = o
	return o, nil
}

func (w *writing) close() error {
	var errs []error
	for _, o := range w.files {
		errs = append(errs, o.Flush())
		for _, c := range o.closers {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
