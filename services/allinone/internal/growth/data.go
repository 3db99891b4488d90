package growth

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/stoker-fhir/stoker/services/allinone/internal/generate"
)

// errEnough ends the generator.
var errEnough = errors.New("enough")

// writeData makes the first n resources that follow from a seed, one file per type, in a new
// folder, and returns their size in bytes. Other seeds give other ids. References of the last
// patient may name what was left out.
func writeData(ctx context.Context, dir string, seed uint64, n int64) (size int64, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return 0, err
	}
	files := map[string]*bufio.Writer{}
	var closers []func() error
	defer func() {
		for _, c := range closers {
			err = errors.Join(err, c())
		}
	}()
	left := n
	// A patient is at least one resource, so there are enough.
	err = generate.Stream(ctx, generate.Options{Patients: int(n), Seed: seed}, func(resourceType string, line []byte) error {
		w := files[resourceType]
		if w == nil {
			f, err := os.Create(filepath.Join(dir, resourceType+".ndjson"))
			if err != nil {
				return err
			}
			w = bufio.NewWriterSize(f, 1<<20)
			files[resourceType] = w
			closers = append(closers, func() error { return errors.Join(w.Flush(), f.Close()) })
		}
		size += int64(len(line))
		if _, err := w.Write(line); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return size, err
}
