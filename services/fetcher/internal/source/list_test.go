package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// put writes files, with their folders.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// tempDir is a folder by its own path, without links in it.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestListFolder(t *testing.T) {
	t.Parallel()
	dir, outside := tempDir(t), tempDir(t)
	put(t, outside, map[string]string{"secret.ndjson": "x"})
	put(t, dir, map[string]string{
		"b.ndjson": "12345", "a.NDJSON.GZ": "", "a/z.json": "1", "a-b.jsonl.zst": "", "a0.jsonl": "", "B.Json": "",
		"notes.txt": "", "gz": "", "x.ndjson.bz2": "", "x.ndjson.gz.gz": "", "json": "", "_SUCCESS": "", "Patient.ndjson/part-0.txt": "",
		".hidden.ndjson": "", ".git/a.ndjson": "", "deep/er/c.ndjson": "", "ä\xff.ndjson": "", "new\nline.json": "",
	})
	link(t, "b.ndjson", filepath.Join(dir, "inside.ndjson"))
	link(t, "../"+filepath.Base(outside)+"/secret.ndjson", filepath.Join(dir, "relative.ndjson"))
	link(t, filepath.Join(outside, "secret.ndjson"), filepath.Join(dir, "absolute.ndjson"))
	link(t, "nowhere", filepath.Join(dir, "dangling.ndjson"))
	link(t, "deep", filepath.Join(dir, "folder"))
	link(t, ".", filepath.Join(dir, "loop"))
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.ndjson"), 0o600); err != nil {
		t.Fatal(err)
	}

	cfg := source.Config{Roots: []string{dir}}
	files, skipped, err := source.List(t.Context(), fhirmsg.Source{Path: dir, Type: "Patient"}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		if f.Type != "Patient" {
			t.Errorf("%s: type %q, want Patient", f.Name, f.Type)
		}
		if f.Name == "b.ndjson" && f.Size != 5 {
			t.Errorf("%s: size %d, want 5", f.Name, f.Size)
		}
	}
	want := []string{
		"B.Json", "a-b.jsonl.zst", "a.NDJSON.GZ", "a/z.json", "a0.jsonl", "b.ndjson", "deep/er/c.ndjson",
		"inside.ndjson", "new\uFFFDline.json", "ä\uFFFD.ndjson",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	const ending, leads = "its ending is not one that is taken", "a symbolic link that leads nowhere or out of the folder"
	wantSkipped := []source.Skipped{
		{Name: ".git", Reason: "hidden"}, {Name: ".hidden.ndjson", Reason: "hidden"}, {Name: "Patient.ndjson/part-0.txt", Reason: ending},
		{Name: "_SUCCESS", Reason: ending}, {Name: "absolute.ndjson", Reason: leads}, {Name: "dangling.ndjson", Reason: leads},
		{Name: "folder", Reason: "a symbolic link to a folder"}, {Name: "gz", Reason: ending}, {Name: "json", Reason: ending},
		{Name: "loop", Reason: "a symbolic link to a folder"}, {Name: "notes.txt", Reason: ending}, {Name: "pipe.ndjson", Reason: "not a regular file"},
		{Name: "relative.ndjson", Reason: leads}, {Name: "x.ndjson.bz2", Reason: ending}, {Name: "x.ndjson.gz.gz", Reason: ending},
	}
	if diff := cmp.Diff(wantSkipped, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}

	// Each opens again from what is stored, the one with a name that is not UTF-8 too.
	for _, f := range files {
		stored, err := json.Marshal(f.Locator)
		if err != nil {
			t.Fatal(err)
		}
		var again source.File
		if err := json.Unmarshal(stored, &again.Locator); err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(again.Locator, f.Locator) {
			t.Errorf("%s: locator %+v, want %+v", f.Name, again.Locator, f.Locator)
		}
		r, err := source.Open(t.Context(), again, cfg)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		closeReader(t, r)
	}
}

func closeReader(t *testing.T, r *source.Reader) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestListOne(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	put(t, dir, map[string]string{"data.bin": "123", "spool/x.ndjson": "12"})
	link(t, "data.bin", filepath.Join(dir, "link"))
	cfg := source.Config{Roots: []string{"/nowhere", dir}, SpoolDir: filepath.Join(dir, "spool")}
	tests := []struct {
		source fhirmsg.Source
		name   string
		size   int64
	}{
		{fhirmsg.Source{Path: filepath.Join(dir, "data.bin")}, filepath.Join(dir, "data.bin"), 3},
		{fhirmsg.Source{Path: filepath.Join(dir, "link")}, filepath.Join(dir, "link"), 3},
		{fhirmsg.Source{Spool: "x.ndjson"}, "x.ndjson", 2},
		{fhirmsg.Source{URL: "https://me:secret@example.org:8443/a%20b/Patient.ndjson?sig=secret#secret"}, "https://example.org:8443/a%20b/Patient.ndjson", -1},
	}
	for _, tt := range tests {
		files, skipped, err := source.List(t.Context(), tt.source, cfg)
		if err != nil || len(files) != 1 || len(skipped) != 0 {
			t.Errorf("%s: got %v, %v, %v; want one file", tt.name, files, skipped, err)
			continue
		}
		if f := files[0]; f.Name != tt.name || f.Size != tt.size || source.Name(tt.source) != tt.name {
			t.Errorf("got name %q and %q, size %d; want %q, %d", f.Name, source.Name(tt.source), f.Size, tt.name, tt.size)
		}
	}
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	dir, outside := tempDir(t), tempDir(t)
	put(t, dir, map[string]string{"spool/x.ndjson": "1"})
	put(t, outside, map[string]string{"secret.ndjson": "1", "sub/secret.ndjson": "1"})
	put(t, dir+"-beside", map[string]string{"secret.ndjson": "1"})
	t.Cleanup(func() { _ = os.RemoveAll(dir + "-beside") })
	link(t, outside, filepath.Join(dir, "link"))
	link(t, filepath.Join(outside, "secret.ndjson"), filepath.Join(dir, "spool", "link"))
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := source.Config{Roots: []string{dir}, SpoolDir: filepath.Join(dir, "spool")}
	tests := []struct {
		name   string
		source fhirmsg.Source
		cfg    source.Config
		want   error // nil: any
	}{
		{"outside", fhirmsg.Source{Path: filepath.Join(outside, "secret.ndjson")}, cfg, source.ErrForbidden},
		{"a folder outside", fhirmsg.Source{Path: outside}, cfg, source.ErrForbidden},
		{"up and out", fhirmsg.Source{Path: dir + "/../" + filepath.Base(outside)}, cfg, source.ErrForbidden},
		{"a folder beside, of the same beginning", fhirmsg.Source{Path: dir + "-beside"}, cfg, source.ErrForbidden},
		{"a link out", fhirmsg.Source{Path: filepath.Join(dir, "link")}, cfg, source.ErrForbidden},
		{"through a link out", fhirmsg.Source{Path: filepath.Join(dir, "link", "sub")}, cfg, source.ErrForbidden},
		{"no roots", fhirmsg.Source{Path: dir}, source.Config{}, source.ErrForbidden},
		{"not there", fhirmsg.Source{Path: filepath.Join(dir, "nothing")}, cfg, fs.ErrNotExist},
		{"a pipe", fhirmsg.Source{Path: filepath.Join(dir, "pipe")}, cfg, nil},
		{"spool not there", fhirmsg.Source{Spool: "nothing"}, cfg, fs.ErrNotExist},
		{"spool, up and out", fhirmsg.Source{Spool: "../spool/../../" + filepath.Base(outside) + "/secret.ndjson"}, cfg, nil},
		{"spool, absolute", fhirmsg.Source{Spool: filepath.Join(outside, "secret.ndjson")}, cfg, nil},
		{"spool, a link out", fhirmsg.Source{Spool: "link"}, cfg, nil},
		{"spool, a folder", fhirmsg.Source{Spool: "."}, cfg, nil},
		{"no spool", fhirmsg.Source{Spool: "x.ndjson"}, source.Config{Roots: []string{dir}}, nil},
		{"a URL of another kind", fhirmsg.Source{URL: "file:///etc/passwd"}, cfg, nil},
		{"a URL without a host", fhirmsg.Source{URL: "https:///secret"}, cfg, nil},
		{"not a URL", fhirmsg.Source{URL: "https://me:secret@exa mple.org/secret"}, cfg, nil},
	}
	for _, tt := range tests {
		files, _, err := source.List(t.Context(), tt.source, tt.cfg)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, %v; want error %v", tt.name, files, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error()+source.Name(fhirmsg.Source{URL: tt.source.URL}), "secret") && tt.source.URL != "https:///secret" {
			t.Errorf("%s: tells the secret: %v", tt.name, err)
		}
	}
}

// TestOpenRefuses: a locator does not lead out either, nor does what is put in its place.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir, outside := tempDir(t), tempDir(t)
	put(t, dir, map[string]string{"in/a.ndjson": "1", "in/sub/b.ndjson": "1"})
	put(t, outside, map[string]string{"a.ndjson": "secret", "b.ndjson": "secret"})
	cfg := source.Config{Roots: []string{dir}, SpoolDir: filepath.Join(dir, "in")}
	files, _, err := source.List(t.Context(), fhirmsg.Source{Path: filepath.Join(dir, "in")}, cfg)
	if err != nil || len(files) != 2 {
		t.Fatalf("got %v, %v; want two files", files, err)
	}
	locators := []source.Locator{
		{Folder: "/", Path: "etc/passwd"}, {Path: "/etc/passwd"}, {Folder: files[0].Locator.Folder, Path: "../../etc/passwd"},
		{Folder: files[0].Locator.Folder, Path: "/etc/passwd"}, {Spool: "../../x"}, {},
		{Folder: files[0].Locator.Folder, Path: "sub"},
	}
	if err := os.RemoveAll(filepath.Join(dir, "in", "sub")); err != nil {
		t.Fatal(err)
	}
	link(t, outside, filepath.Join(dir, "in", "sub"))
	for _, l := range append(locators, files[1].Locator) {
		if r, err := source.Open(t.Context(), source.File{Locator: l}, cfg); err == nil {
			closeReader(t, r)
			t.Errorf("%+v: opened", l)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "in")); err != nil {
		t.Fatal(err)
	}
	link(t, outside, filepath.Join(dir, "in"))
	if r, err := source.Open(t.Context(), files[0], cfg); err == nil {
		content, _ := io.ReadAll(r)
		closeReader(t, r)
		t.Errorf("the folder replaced by a link: read %q", content)
	}
}

func TestListStops(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := source.List(ctx, fhirmsg.Source{Path: dir}, source.Config{Roots: []string{dir}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestLocatorOfAnyName(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "a", "ä", "\xff\xfe", "base64:eA==", "base64:", "a\uFFFDb", "a\xffb\uFFFD"} {
		var l, again source.Locator
		l.Folder, l.Path, l.Spool = source.RawPath(path), source.RawPath(path), source.RawPath(path)
		stored, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(stored, &again); err != nil || !cmp.Equal(again, l) {
			t.Errorf("%q: stored as %s, read as %+v, %v", path, stored, again, err)
		}
	}
}
