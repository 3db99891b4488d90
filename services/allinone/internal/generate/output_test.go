package generate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		holds   []string // a name that ends in / is a folder
		refused string   // the name that the error gives
	}{
		"empty":               {},
		"an earlier dataset":  {holds: []string{"Patient.ndjson", "Claim.ndjson"}},
		"a killed run's":      {holds: []string{"Patient.ndjson.partial"}},
		"another file":        {holds: []string{"Patient.ndjson", "notes.txt"}, refused: "notes.txt"},
		"another type":        {holds: []string{"Device.ndjson"}, refused: "Device.ndjson"},
		"a folder of a name":  {holds: []string{"Patient.ndjson/"}, refused: "Patient.ndjson"},
		"a hidden file":       {holds: []string{".git"}, refused: ".git"},
		"only the suffix":     {holds: []string{".ndjson"}, refused: ".ndjson"},
		"a compressed supply": {holds: []string{"Patient.ndjson.gz"}, refused: "Patient.ndjson.gz"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, file := range tc.holds {
				path := filepath.Join(dir, file)
				var err error
				if strings.HasSuffix(file, "/") {
					err = os.Mkdir(path, 0o755)
				} else {
					err = os.WriteFile(path, []byte("before"), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := Run(t.Context(), Options{Dir: dir, Patients: 1})
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), "holds "+tc.refused+",") {
					t.Errorf("got %v, want an error about %s", err, tc.refused)
				}
				if got := names(t, dir); len(got) != len(tc.holds) {
					t.Errorf("got %v, want %v", got, tc.holds)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, dir); len(got) != int(kinds) {
				t.Errorf("got %v, want a file for each of %d types", got, kinds)
			}
			content, err := os.ReadFile(filepath.Join(dir, "Patient.ndjson"))
			if err != nil || !strings.HasPrefix(string(content), `{"resourceType":"Patient"`) {
				t.Errorf("Patient.ndjson was not written: %v", err)
			}
		})
	}
}

func TestFolderIsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Options{Dir: path, Patients: 1}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error about %s", err, path)
	}
}

// TestCancelled stops a run halfway: what was there before stays, nothing else does.
func TestCancelled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := filepath.Join(dir, "Patient.ndjson")
	if err := os.WriteFile(before, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Dir: dir, Patients: 1000, Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("got %v, want what was there", got)
	}
	if content, err := os.ReadFile(before); err != nil || string(content) != "before" {
		t.Errorf("got %q, %v, want it untouched", content, err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
