package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/pgd"
)

// Names in the folder of a shared server.
const (
	clusterDir  = "cluster"      // a server's folder, whose data is copied
	clusterFile = "cluster.data" // where that data is; there once it is whole
)

// dataName is what package pgd calls the data in a server's folder.
const dataName = "data"

// Cluster gives a server's folder, of [Dir] or below one, the data that [pgd.Start] would make there, copied from those of a
// server that was started once and has ended: initdb takes seconds. Data that is there already stays. It does nothing where
// root's servers cannot have their data in the temporary folder.
func Cluster(t testing.TB, dir string) {
	t.Helper()
	skipIfShort(t)
	from, err := cluster(t)
	if err == nil {
		err = from.copyTo(dir)
	}
	if err != nil {
		t.Fatalf("pgtest: data for a server in %s: %v", dir, err)
	}
}

// data is that of a server which has ended, to be copied. Empty: there is none, and a server makes its own.
type data string

// cluster finds the data to copy, which is kept with the shared server. Whoever comes first makes it.
func cluster(t testing.TB) (data, error) {
	serverDir, err := shareDir(t)
	if err != nil {
		return "", err
	}
	file := filepath.Join(serverDir, clusterFile)
	if path, err := os.ReadFile(file); err == nil {
		return data(path), nil
	}
	lock, err := lockIn(serverDir)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()             // holds nothing but the lock
	if path, err := os.ReadFile(file); err == nil { // made while we waited
		return data(path), nil
	}
	dir := filepath.Join(serverDir, clusterDir)
	if err := pgd.Remove(t.Context(), dir); err != nil { // left by one that was killed
		return "", err
	}
	server, err := pgd.Start(t.Context(), pgd.Options{Dir: dir, Settings: Settings(), Logger: zerolog.Nop()})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		return "", err
	}
	path := server.DataDir()
	if filepath.Dir(path) != dir { // it had to go elsewhere, and so will those of others
		path = ""
	}
	return data(path), replace(file, path)
}

// copyTo makes the data of a server's folder.
func (d data) copyTo(dir string) error {
	if d == "" {
		return nil
	}
	to := filepath.Join(dir, dataName)
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, passable()); err != nil {
		return err
	}
	return filepath.WalkDir(string(d), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(string(d), path)
		if err != nil {
			return err
		}
		return copyOne(path, filepath.Join(to, name), entry)
	})
}

// copyOne copies a file, or makes a folder like another one, with its owner.
func copyOne(from, to string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: no owner", from)
	}
	switch {
	case entry.IsDir():
		err = os.Mkdir(to, info.Mode().Perm())
	case entry.Type().IsRegular():
		err = copyFile(from, to, info.Mode().Perm())
	default:
		err = fmt.Errorf("%s is neither a file nor a folder", from)
	}
	if err != nil {
		return err
	}
	return os.Lchown(to, int(owner.Uid), int(owner.Gid))
}

func copyFile(from, to string, mode os.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
