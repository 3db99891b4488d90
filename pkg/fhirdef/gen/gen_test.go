package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const source = "../../../../shared/data/definitions/hl7.fhir.r4.core-4.0.1"

// TestCompute compares what is computed from the definitions of value sets with the
// package's own expansions, for all sets of required bindings.
func TestCompute(t *testing.T) {
	t.Parallel()
	d := newDefinitions()
	if _, _, err := read(source, d.add); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for url := range required(d) {
		want, ok := d.codes(url)
		got, computed := d.compute(url, 0)
		if !ok || !computed {
			if syntaxes[url] == "" && url != "http://loinc.org/vs/LL379-9" {
				t.Errorf("%s: not computed", url)
			}
			continue
		}
		compared++
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d codes, want %d", url, len(got), len(want))
		}
	}
	if compared < 200 {
		t.Errorf("compared %d value sets", compared)
	}
}

func required(d *definitions) map[string]bool {
	urls := map[string]bool{}
	for _, s := range d.types {
		for _, e := range s.Snapshot.Element {
			if url := e.requiredSet(); url != "" {
				urls[url] = true
			}
		}
	}
	return urls
}

// TestArchive makes a published package of the folder, whose table must be that of the folder.
func TestArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	archive := filepath.Join(dir, "package.tgz")
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(z)
	add := func(name string, text []byte) error {
		if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err := files.Write(text)
		return err
	}
	n := 0
	if _, _, err := read(source, func(resource []byte) error {
		n++
		return add(fmt.Sprintf("package/%d.json", n), resource)
	}); err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(source, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"package/package.json": string(manifest), "package/.index.json": "not read", "package/other/file.json": "not read", "package/note.txt": "not read",
	} {
		if err := add(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "table.txt")
	if err := run(table, []string{archive}); err != nil {
		t.Fatal(err)
	}
	got, want := bodyOf(t, table), bodyOf(t, "../r4.txt")
	if got != want {
		t.Error("the table of the archive is not r4.txt; if that is not up to date: make generate")
	}
}

// bodyOf returns a table without its header.
func bodyOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n")
	return body
}
