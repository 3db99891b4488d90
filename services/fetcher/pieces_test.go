package fetcher_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher"
)

func TestFilesWithoutQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := strings.Repeat("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n", 40_000)
	for name, content := range map[string]string{"b.ndjson": long, "a.json": "{\n}\n", "notes.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, skipped, err := fetcher.List(t.Context(), fhirmsg.Source{Path: dir, Type: "Patient"})
	if err != nil || len(files) != 2 || files[0].Name != "a.json" || files[1].Size != int64(len(long)) {
		t.Fatalf("got %+v, %v", files, err)
	}
	if want := []fetcher.Skipped{{Name: "notes.txt", Reason: "its ending is not one that is taken"}}; !reflect.DeepEqual(skipped, want) {
		t.Errorf("skipped %+v, want %+v", skipped, want)
	}
	files = append(files, fetcher.Stream("in", strings.NewReader(long)))
	for i, want := range []string{"{\n}\n", long, long} {
		chunks, err := files[i].Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		lines := int64(1)
		for {
			c, err := chunks.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Offset != int64(got.Len()) || c.FirstLine != lines || c.Document != (i == 0) || i < 2 && c.Type != "Patient" {
				t.Errorf("%s: %+v at offset %d, line %d", files[i].Name, c.ChunkHeader, got.Len(), lines)
			}
			lines += c.Lines
			got.Write(c.Body)
		}
		if got.String() != want || chunks.Read() != int64(len(want)) {
			t.Errorf("%s: read %d bytes, want %d", files[i].Name, got.Len(), len(want))
		}
		if err := chunks.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := fetcher.List(t.Context(), fhirmsg.Source{Path: filepath.Join(dir, "missing")}); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), dir) {
		t.Errorf("a missing file: %v", err)
	}
}
