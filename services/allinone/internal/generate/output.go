package generate

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	extension     = ".ndjson"
	partialSuffix = ".partial" // of a file being written; left behind only by a kill
	fileBuffer    = 128 << 10  // bytes, per file
	progressBytes = 1 << 20    // bytes between two calls of Options.Progress
)

// output is one file per kind, under temporary names until commit.
type output struct {
	dir     string
	files   [kinds]*os.File
	writers [kinds]*bufio.Writer
}

func openOutput(dir string) (*output, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	out := &output{dir: dir}
	for k := range kinds {
		f, err := os.Create(out.path(k) + partialSuffix)
		if err != nil {
			out.discard()
			return nil, err
		}
		out.files[k] = f
		out.writers[k] = bufio.NewWriterSize(f, fileBuffer)
	}
	return out, nil
}

// checkDir accepts a folder that is missing, empty, or holds only what an earlier run wrote.
func checkDir(dir string) error {
	if dir == "" {
		return errors.New("no folder given")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), partialSuffix)
		typ, isNDJSON := strings.CutSuffix(name, extension)
		if !isNDJSON || !slices.Contains(kindNames[:], typ) || !e.Type().IsRegular() {
			return fmt.Errorf("folder %s holds %s, which is not a generated file: choose an empty or a new folder", dir, e.Name())
		}
	}
	return nil
}

func (o *output) path(k kind) string { return filepath.Join(o.dir, k.String()+extension) }

func (o *output) write(k kind, line []byte) error {
	_, err := o.writers[k].Write(line)
	return err
}

// commit completes every file before it names the first.
func (o *output) commit() error {
	for k := range kinds {
		if err := o.writers[k].Flush(); err != nil {
			return err
		}
		if err := o.files[k].Close(); err != nil {
			return err
		}
	}
	for k := range kinds {
		if err := os.Rename(o.path(k)+partialSuffix, o.path(k)); err != nil {
			return err
		}
		o.files[k] = nil
	}
	return nil
}

// discard removes what was not committed.
func (o *output) discard() {
	for k, f := range o.files {
		if f != nil {
			// The error that led here matters more than what these say.
			_ = f.Close()
			_ = os.Remove(o.path(kind(k)) + partialSuffix)
		}
	}
}
