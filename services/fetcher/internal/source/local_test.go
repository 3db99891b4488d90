package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// localFile is a file of its own with some content.
func localFile(t *testing.T, content string) (path string, f source.File, cfg source.Config) {
	t.Helper()
	dir := tempDir(t)
	put(t, dir, map[string]string{"a.ndjson": content})
	path, cfg = filepath.Join(dir, "a.ndjson"), source.Config{Roots: []string{dir}}
	files, _, err := source.List(t.Context(), fhirmsg.Source{Path: path}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return path, files[0], cfg
}

func TestLocalFile(t *testing.T) {
	t.Parallel()
	const content = "one\ntwo\nthree\n"
	_, f, cfg := localFile(t, content)
	r, err := source.Open(t.Context(), f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	got, err := io.ReadAll(r)
	if err != nil || string(got) != content || r.Offset() != int64(len(content)) || r.Check() != nil {
		t.Errorf("got %q, %v, offset %d, %v", got, err, r.Offset(), r.Check())
	}

	stored, err := json.Marshal(r.Validator())
	if err != nil {
		t.Fatal(err)
	}
	var v source.Validator
	if err := json.Unmarshal(stored, &v); err != nil || !v.Same(r.Validator()) || v != r.Validator() {
		t.Errorf("validator %+v is read as %+v, %v", r.Validator(), v, err)
	}
	for offset := range len(content) + 1 {
		again, err := source.OpenAt(t.Context(), f, cfg, v, int64(offset))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(again)
		closeReader(t, again)
		if err != nil || string(got) != content[offset:] || again.Offset() != int64(len(content)) {
			t.Errorf("from %d: got %q, %v", offset, got, err)
		}
	}
	if _, err := source.OpenAt(t.Context(), f, cfg, v, int64(len(content)+1)); !errors.Is(err, source.ErrChanged) {
		t.Errorf("beyond the end: got %v, want %v", err, source.ErrChanged)
	}
}

// TestLocalChange: whatever happens to a file while it is read or after, it is not taken for
// what it was.
func TestLocalChange(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789\n", 10_000)
	later := time.Now().Add(time.Hour)
	tests := []struct {
		name   string
		change func(path string) error
		open   bool // is seen through the open file too
	}{
		{"grows", func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("more\n")
			return errors.Join(err, f.Close())
		}, true},
		{"is cut", func(path string) error { return os.Truncate(path, 100) }, true},
		{"is emptied", func(path string) error { return os.Truncate(path, 0) }, true},
		{"is written over", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("9")
			return errors.Join(err, f.Close(), os.Chtimes(path, later, later))
		}, true},
		{"is replaced", func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			err = os.WriteFile(path+".new", []byte(strings.Repeat("x", len(content))), 0o600)
			return errors.Join(err, os.Chtimes(path+".new", info.ModTime(), info.ModTime()), os.Rename(path+".new", path))
		}, false},
		{"vanishes", os.Remove, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path, f, cfg := localFile(t, content)
			r, err := source.Open(t.Context(), f, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer closeReader(t, r)
			if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if err := tt.change(path); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if tt.open && (!errors.Is(err, source.ErrChanged) || !errors.Is(r.Check(), source.ErrChanged)) {
				t.Errorf("got %v and %v, want %v", err, r.Check(), source.ErrChanged)
			}
			if !tt.open && (err != nil || string(got) != content[1000:]) {
				t.Errorf("what is open is whole, got %d bytes, %v", len(got), err)
			}
			for _, offset := range []int64{0, 50, 1000} {
				if again, err := source.OpenAt(t.Context(), f, cfg, r.Validator(), offset); err == nil {
					closeReader(t, again)
					t.Errorf("opened again at %d", offset)
				}
			}
		})
	}
}

func TestLocalStops(t *testing.T) {
	t.Parallel()
	_, f, cfg := localFile(t, "content")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := source.Open(ctx, f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closeReader(t, r)
	cancel()
	for range 2 {
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("got %d, %v; want %v", n, err, context.Canceled)
		}
	}
	if _, err := source.Open(ctx, f, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestValidatorSame(t *testing.T) {
	t.Parallel()
	local := source.Validator{Size: 5, ModTime: 7, Inode: 9, Strong: true}
	tests := []struct {
		name string
		a, b source.Validator
		want bool
	}{
		{"equal", local, local, true},
		{"size", local, source.Validator{Size: 6, ModTime: 7, Inode: 9, Strong: true}, false},
		{"time", local, source.Validator{Size: 5, ModTime: 8, Inode: 9, Strong: true}, false},
		{"inode", local, source.Validator{Size: 5, ModTime: 7, Inode: 8, Strong: true}, false},
		{"strong tag, other time and no size", source.Validator{Size: 5, ETag: `"a"`, LastModified: "x"}, source.Validator{Size: -1, ETag: `"a"`}, true},
		{"strong tag, other size", source.Validator{Size: 5, ETag: `"a"`}, source.Validator{Size: 6, ETag: `"a"`}, false},
		{"other strong tag", source.Validator{Size: 5, ETag: `"a"`}, source.Validator{Size: 5, ETag: `"b"`}, false},
		{"strong tag gone", source.Validator{Size: 5, ETag: `"a"`}, source.Validator{Size: 5}, false},
		{"weak tag, other time", source.Validator{Size: 5, ETag: `W/"a"`, LastModified: "x"}, source.Validator{Size: 5, ETag: `W/"a"`, LastModified: "y"}, false},
		{"no tag, no size", source.Validator{Size: 5, LastModified: "x"}, source.Validator{Size: -1, LastModified: "x"}, false},
		{"nothing", source.Validator{Size: -1}, source.Validator{Size: -1}, true},
	}
	for _, tt := range tests {
		if got, back := tt.a.Same(tt.b), tt.b.Same(tt.a); got != tt.want || back != tt.want {
			t.Errorf("%s: got %v, %v; want %v", tt.name, got, back, tt.want)
		}
	}
}
