package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// manifest is what package.json says.
type manifest struct {
	Name         string   `json:"name"`
	Version      string   `json:"version"`
	FHIRVersions []string `json:"fhirVersions"`
	Versions     []string `json:"fhir-version-list"` // what older packages call FHIRVersions
}

// file is one that definitions were read from.
type file struct {
	name string
	sum  [sha256.Size]byte
}

// read calls add for each resource of a package.
func read(path string, add func(resource []byte) error) (manifest, []file, error) {
	if strings.HasSuffix(path, ".tgz") {
		return readArchive(path, add)
	}
	return readFolder(path, add)
}

func readFolder(folder string, add func([]byte) error) (m manifest, files []file, err error) {
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, nil, fmt.Errorf("package.json: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.ndjson.gz"))
	if err != nil {
		return m, nil, err
	}
	for _, path := range paths {
		packed, err := os.ReadFile(path)
		if err != nil {
			return m, nil, err
		}
		name := filepath.Base(path)
		if err := readLines(packed, add); err != nil {
			return m, nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, file{name, sha256.Sum256(packed)})
	}
	return m, files, nil
}

func readLines(packed []byte, add func([]byte) error) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	lines := bufio.NewReader(z)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := add(line); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readArchive(path string, add func([]byte) error) (m manifest, files []file, err error) {
	packed, err := os.ReadFile(path)
	if err != nil {
		return m, nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return m, nil, err
	}
	for archive := tar.NewReader(z); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return m, []file{{filepath.Base(path), sha256.Sum256(packed)}}, nil
		}
		if err != nil {
			return m, nil, err
		}
		folder, name := filepath.Split(entry.Name)
		if folder != "package/" || filepath.Ext(name) != ".json" || name[0] == '.' {
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return m, nil, err
		}
		if name == "package.json" {
			err = json.Unmarshal(text, &m)
		} else {
			err = add(text)
		}
		if err != nil {
			return m, nil, fmt.Errorf("%s: %w", entry.Name, err)
		}
	}
}
