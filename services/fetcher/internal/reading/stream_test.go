package reading_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/reading"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

func streamAll(t *testing.T, in io.Reader) (pieces []split.Piece, r *reading.Reading, err error) {
	t.Helper()
	r, err = reading.Stream(t.Context(), in, options(4<<10))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	for {
		p, err := r.Next()
		if err != nil {
			return pieces, r, err
		}
		p.Body = bytes.Clone(p.Body)
		pieces = append(pieces, p)
	}
}

// TestStream: a stream gives the same pieces as a file with the same content.
func TestStream(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat("{\"resourceType\":\"Patient\",\"id\":\"a\"}\n", 1000)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := io.WriteString(w, lines); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, content string
		end           error
	}{
		{"nothing", "", io.EOF},
		{"lines", lines, io.EOF},
		{"no last newline", strings.TrimSpace(lines), io.EOF},
		{"document", "{\n\"resourceType\":\n\"Patient\"\n}\n", io.EOF},
		{"compressed", zipped.String(), io.EOF},
		{"cut short", zipped.String()[:zipped.Len()-9], format.ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "a")
			if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			file := source.File{Locator: source.Locator{Path: source.RawPath(path)}}
			want, state, _ := readAll(t, file, source.Config{Roots: []string{dir}}, options(4<<10))
			got, r, err := streamAll(t, iotest.OneByteReader(strings.NewReader(tt.content)))
			if !errors.Is(err, tt.end) {
				t.Errorf("ended with %v, want %v", err, tt.end)
			}
			if len(got) != len(want) || r.State.Document != state.Document || r.State.Compression != state.Compression {
				t.Fatalf("got %d pieces, state %+v; of the file %d, %+v", len(got), r.State, len(want), state)
			}
			for i := range got {
				if !bytes.Equal(got[i].Body, want[i].Body) || got[i].FirstLine != want[i].FirstLine || got[i].Offset != want[i].Offset {
					t.Errorf("piece %d: %+v, of the file %+v", i, got[i], want[i])
				}
			}
			if tt.end == io.EOF && r.Read() != int64(len(tt.content)) { //nolint:errorlint // a reader's end is io.EOF itself
				t.Errorf("read %d bytes, want %d", r.Read(), len(tt.content))
			}
		})
	}
}

// TestStreamFails: an error of the stream is told as it is, and no half line with it.
func TestStreamFails(t *testing.T) {
	t.Parallel()
	failure := errors.New("unplugged")
	pieces, _, err := streamAll(t, io.MultiReader(strings.NewReader("{}\n{"), iotest.ErrReader(failure)))
	if !errors.Is(err, failure) {
		t.Errorf("ended with %v", err)
	}
	if content, lines := total(pieces); lines != 0 && string(content) != "{}\n" {
		t.Errorf("got %q", content)
	}
}

// TestStreamEndsWithContext: although nothing comes.
func TestStreamEndsWithContext(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	defer feed.Close() //nolint:errcheck // never fails
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.WriteString(feed, "{}\n{}\n") // until the reading has ended
		cancel()
	}()
	r, err := reading.Stream(ctx, in, options(4<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // never fails
	if _, err := r.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
