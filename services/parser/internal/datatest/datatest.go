// Package datatest finds the sample data that tests read. It lies beside the repository,
// in ../shared/data, and is not part of it. Imported by tests, and by the conformance suites, only.
package datatest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir returns the path of a folder of the data, such as "suppliers". A folder that is not
// there is an error: a test that needs it fails.
func Dir(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work above the working directory")
		}
		dir = parent
	}
	dir = filepath.Join(filepath.Dir(dir), "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("sample data: %w", err)
	}
	return dir, nil
}

// Files returns the paths of all files in a folder of the data and those within it, sorted.
func Files(name string) ([]string, error) {
	dir, err := Dir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no files in %s", dir)
	}
	return files, err
}

// Read returns a file's bytes, decompressed if its name ends in .gz.
func Read(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return b, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(z)
}

// Supplier returns the lines of all ndjson.gz files of a supplier, joined.
func Supplier(name string) ([]byte, error) {
	files, err := Files(filepath.Join("suppliers", name))
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, f := range files {
		if !strings.HasSuffix(f, ".ndjson.gz") {
			continue
		}
		b, err := Read(f)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
		if n := len(all); n > 0 && all[n-1] != '\n' {
			all = append(all, '\n')
		}
	}
	return all, nil
}

// Each reads the files of folders, one after the other.
func Each(read func(path string, content []byte), folders ...string) error {
	for _, folder := range folders {
		files, err := Files(folder)
		if err != nil {
			return err
		}
		for _, path := range files {
			content, err := Read(path)
			if err != nil {
				return err
			}
			read(path, content)
		}
	}
	return nil
}

// Strings returns the strings that are the value of a member of some name, wherever it is, in
// one JSON document or many.
func Strings(content []byte, member string) (found []string) {
	name := []byte(`"` + member + `"`)
	for {
		i := bytes.Index(content, name)
		if i < 0 {
			return found
		}
		content = bytes.TrimLeft(content[i+len(name):], " \t\r\n")
		value, isName := bytes.CutPrefix(content, []byte(":"))
		value = bytes.TrimLeft(value, " \t\r\n")
		if !isName || len(value) == 0 || value[0] != '"' {
			continue
		}
		var text string
		if json.NewDecoder(bytes.NewReader(value)).Decode(&text) == nil {
			found = append(found, text)
		}
	}
}
