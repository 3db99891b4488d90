package source

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

var (
	errIrregular = errors.New("not a regular file")
	errNoFolder  = errors.New("not a folder")
	errNoSpool   = errors.New("this service has no spool")
)

// localStream reads a local file, and tells when it changes meanwhile.
type localStream struct {
	ctx  context.Context // of the one who opened it: a Read has no other way to end with it
	file *os.File
	v    Validator
}

func openLocal(ctx context.Context, l Locator, cfg Config, want *Validator, offset int64) (stream, error) {
	f, err := openFile(l, cfg)
	if err != nil {
		return nil, err
	}
	v, err := fileValidator(f)
	if err == nil && want != nil && (!v.Same(*want) || offset > v.Size) {
		err = ErrChanged
	}
	if err == nil && offset > 0 {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		_ = f.Close() // opened to read only
		return nil, withoutPath(err)
	}
	return &localStream{ctx: ctx, file: f, v: v}, nil
}

func (s *localStream) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.file.Read(p)
	if err == io.EOF {
		if changed := s.check(); changed != nil {
			return n, changed
		}
		return n, io.EOF
	}
	return n, withoutPath(err)
}

func (s *localStream) Close() error         { return s.file.Close() }
func (s *localStream) validator() Validator { return s.v }

func (s *localStream) check() error {
	now, err := fileValidator(s.file)
	if err != nil {
		return err
	}
	if !now.Same(s.v) {
		return ErrChanged
	}
	return nil
}

func fileValidator(f *os.File) (Validator, error) {
	info, err := f.Stat()
	if err != nil {
		return Validator{}, withoutPath(err)
	}
	return Validator{Size: info.Size(), ModTime: info.ModTime().UnixNano(), Inode: inode(info), Strong: true}, nil
}

// realPath resolves a path that was named, links included, and checks that it may be read.
func realPath(path string, cfg Config) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return "", withoutPath(err)
	}
	_, _, err = inRoot(path, cfg)
	return path, err
}

// inRoot returns the root that a resolved path lies in, and the path from there.
func inRoot(path string, cfg Config) (root, within string, err error) {
	for _, r := range cfg.Roots {
		r, err := filepath.Abs(r)
		if err != nil {
			return "", "", err
		}
		if r, err = filepath.EvalSymlinks(r); err != nil {
			continue // it is not there now, so nothing is in it
		}
		if within, err := filepath.Rel(r, path); err == nil && filepath.IsLocal(within) {
			return r, within, nil
		}
	}
	return "", "", ErrForbidden
}

// openFolder opens a folder by its resolved path. [os.Root] sees to it that nothing outside
// is reached, even if links are put in the way meanwhile. [errNoFolder] if it is a file.
func openFolder(path string, cfg Config) (*os.Root, error) {
	rootPath, within, err := inRoot(path, cfg)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(rootPath)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer root.Close() //nolint:errcheck // opened to read only
	if info, err := root.Stat(within); err == nil && !info.IsDir() {
		return nil, errNoFolder
	}
	folder, err := root.OpenRoot(within)
	return folder, withoutPath(err)
}

// openFile opens a local file for reading.
func openFile(l Locator, cfg Config) (*os.File, error) {
	var root *os.Root
	var err error
	within := string(l.Path)
	switch {
	case l.Spool != "" && cfg.SpoolDir == "":
		return nil, errNoSpool
	case l.Spool != "":
		within = string(l.Spool)
		root, err = os.OpenRoot(cfg.SpoolDir)
	case l.Folder != "":
		root, err = openFolder(string(l.Folder), cfg)
	default:
		var rootPath string
		if rootPath, within, err = inRoot(string(l.Path), cfg); err == nil {
			root, err = os.OpenRoot(rootPath)
		}
	}
	if err != nil {
		return nil, withoutPath(err)
	}
	defer root.Close() //nolint:errcheck // opened to read only
	return openRegular(root, within)
}

// openRegular opens without waiting, which a named pipe would make it do.
func openRegular(root *os.Root, path string) (*os.File, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, withoutPath(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		_ = f.Close() // opened to read only
		return nil, withoutPath(err)
	}
	return f, nil
}
