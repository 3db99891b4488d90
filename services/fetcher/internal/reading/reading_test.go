package reading_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/reading"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

// readAll opens a file and reads its pieces; bodies are kept.
func readAll(t testing.TB, f source.File, cfg source.Config, opts reading.Options) (pieces []split.Piece, state reading.State, err error) {
	t.Helper()
	r, err := reading.Open(t.Context(), f, cfg, opts)
	if err != nil {
		return nil, state, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return pieces, r.State, nil
		}
		if err != nil {
			return pieces, r.State, err
		}
		p.Body = bytes.Clone(p.Body)
		pieces = append(pieces, p)
	}
}

// again is the state as a later process reads it.
func again(t *testing.T, state reading.State) *reading.State {
	t.Helper()
	stored, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var read reading.State
	if err := json.Unmarshal(stored, &read); err != nil || read != state {
		t.Fatalf("state %+v is read as %+v, %v", state, read, err)
	}
	return &read
}

func options(chunkSize int) reading.Options {
	return reading.Options{ChunkSize: chunkSize, MaxLine: fhirmsg.DefaultMaxLine, Line: 1}
}

func total(pieces []split.Piece) (content []byte, lines int64) {
	for _, p := range pieces {
		content = append(content, p.Body...)
		lines += p.Lines
	}
	return content, lines
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(content, nil)
}

// sample is lines of several lengths, some blank, the last without its newline.
func sample() []byte {
	var b bytes.Buffer
	for i := range 300 {
		fmt.Fprintf(&b, "{\"resourceType\":\"Basic\",\"id\":\"%d\",\"x\":\"%s\"}\n", i, strings.Repeat("x", i*37%1500))
		if i%17 == 0 {
			b.WriteString("\r\n")
		}
	}
	b.WriteString("{}")
	return b.Bytes()
}

func TestFormats(t *testing.T) {
	t.Parallel()
	content := sample()
	document := []byte("\xef\xbb\xbf{\r\n  \"resourceType\": \"Basic\",\r\n  \"id\": \"a\"\r\n}")
	half := bytes.IndexByte(content[len(content)/2:], '\n') + len(content)/2 - 7 // within a line
	tests := []struct {
		name  string
		file  []byte
		want  []byte
		state reading.State
		lines int64
	}{
		{"empty", nil, nil, reading.State{}, 0},
		{"lines", content, content, reading.State{}, 319},
		{"gzip", gzipped(t, content), content, reading.State{Compression: format.Gzip}, 319},
		{"gzip in members", append(gzipped(t, content[:half]), gzipped(t, content[half:])...), content, reading.State{Compression: format.Gzip}, 319},
		{"zstd", zstded(t, content), content, reading.State{Compression: format.Zstd}, 319},
		{"gzip of nothing", gzipped(t, nil), nil, reading.State{Compression: format.Gzip}, 0},
		{"document", document, document, reading.State{Document: true}, 1},
		{"document, gzip", gzipped(t, document), document, reading.State{Compression: format.Gzip, Document: true}, 1},
		{"one compact resource", []byte(`{"resourceType":"Basic"}`), []byte(`{"resourceType":"Basic"}`), reading.State{}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "whatever.its.name")
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := source.Config{Roots: []string{dir}}
			files, _, err := source.List(t.Context(), fhirmsg.Source{Path: path}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			pieces, state, err := readAll(t, files[0], cfg, options(4096))
			got, lines := total(pieces)
			if err != nil || !bytes.Equal(got, tt.want) || lines != tt.lines {
				t.Errorf("got %d bytes, %d lines, %v; want %d, %d", len(got), lines, err, len(tt.want), tt.lines)
			}
			if state.Compression != tt.state.Compression || state.Document != tt.state.Document || state.Validator.Size != int64(len(tt.file)) {
				t.Errorf("got state %+v, want %+v", state, tt.state)
			}
			checkResumed(t, files[0], cfg, pieces, state, options(4096))
		})
	}
}

// checkResumed reads again from the end of every piece.
func checkResumed(t *testing.T, f source.File, cfg source.Config, pieces []split.Piece, state reading.State, opts reading.Options) {
	t.Helper()
	opts.State = again(t, state)
	for i := range len(pieces) + 1 {
		got, resumed, err := readAll(t, f, cfg, opts)
		if err != nil || resumed != state {
			t.Fatalf("resumed at piece %d: %v, state %+v, want %+v", i, err, resumed, state)
		}
		if !slices.EqualFunc(pieces[i:], got, samePiece) {
			t.Fatalf("resumed at piece %d: got %d pieces, not the same as the last %d", i, len(got), len(pieces)-i)
		}
		if i < len(pieces) {
			opts.Offset, opts.Line = opts.Offset+pieces[i].Length, opts.Line+pieces[i].Lines
		}
	}
}

func samePiece(a, b split.Piece) bool {
	same := bytes.Equal(a.Body, b.Body)
	a.Body, b.Body = nil, nil
	return same && reflect.DeepEqual(a, b)
}

// TestCutDownloads: whatever the server cuts, the pieces are those of the file, and a reading
// resumed by another process gets the rest of them.
func TestCutDownloads(t *testing.T) {
	t.Parallel()
	content := sample()
	for name, file := range map[string][]byte{"lines": content, "gzip": gzipped(t, content), "zstd": zstded(t, content)} {
		for _, ranges := range []bool{true, false} {
			for _, cut := range []int{1, 3, 100, len(file) / 2, len(file) - 1} {
				var requests atomic.Int32
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("ETag", `"a"`)
					if requests.Add(1) == 1 {
						w.Header().Set("Content-Length", strconv.Itoa(len(file)))
						_, _ = w.Write(file[:cut])
						_ = http.NewResponseController(w).Flush()
						panic(http.ErrAbortHandler)
					}
					if !ranges {
						r.Header.Del("Range")
					}
					http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
				}))
				t.Cleanup(server.Close)
				f := source.File{Locator: source.Locator{URL: server.URL}}
				cfg := source.Config{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
				pieces, state, err := readAll(t, f, cfg, options(32<<10))
				if got, _ := total(pieces); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s, ranges %v, cut at %d: got %d bytes, %v", name, ranges, cut, len(got), err)
					continue
				}
				checkResumed(t, f, cfg, pieces, state, options(32<<10))
			}
		}
	}
}

// TestCutFiles: of a compressed file that is cut short the whole lines are there, and the error.
func TestCutFiles(t *testing.T) {
	t.Parallel()
	content := sample()
	for name, file := range map[string][]byte{"gzip": gzipped(t, content), "zstd": zstded(t, content)} {
		for cut := 4; cut < len(file); cut += 1 + len(file)/60 {
			f, cfg := handedIn(t, file[:cut])
			pieces, _, err := readAll(t, f, cfg, options(4096))
			got, lines := total(pieces)
			if !errors.Is(err, format.ErrTruncated) || !bytes.HasPrefix(content, got) || len(got) > 0 && got[len(got)-1] != '\n' {
				t.Errorf("%s cut at %d: got %d bytes, %v; want whole lines, %v", name, cut, len(got), err, format.ErrTruncated)
			}
			if lines != int64(bytes.Count(got, []byte("\n"))) {
				t.Errorf("%s cut at %d: got %d lines", name, cut, lines)
			}
		}
	}
}

// handedIn is a file in a spool of its own.
func handedIn(t *testing.T, content []byte) (source.File, source.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := source.Config{SpoolDir: dir}
	files, _, err := source.List(t.Context(), fhirmsg.Source{Spool: "x"}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return files[0], cfg
}

func TestChanged(t *testing.T) {
	t.Parallel()
	f, cfg := handedIn(t, sample())
	pieces, state, err := readAll(t, f, cfg, options(4096))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.SpoolDir, "x"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := options(4096)
	for _, offset := range []int64{0, pieces[0].Length} {
		opts.State, opts.Offset = again(t, state), offset
		if _, _, err := readAll(t, f, cfg, opts); !errors.Is(err, source.ErrChanged) {
			t.Errorf("at %d: got %v, want %v", offset, err, source.ErrChanged)
		}
	}
}

// sampleData is the path of a folder of the sample data, beside the repository.
func sampleData(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			dir, err = filepath.EvalSymlinks(filepath.Join(dir, "..", "shared", "data", name))
			if err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("no go.work above the working directory")
	return ""
}

// TestSampleData reads all files of suppliers, and compares with what the standard library
// decompresses.
func TestSampleData(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"suppliers", "messy", "huge"} {
		dir := sampleData(t, name)
		cfg := source.Config{Roots: []string{dir}}
		files, skipped, err := source.List(t.Context(), fhirmsg.Source{Path: dir}, cfg)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", name, len(files), err)
		}
		documents, perFolder := 0, map[string]int64{}
		for _, f := range files {
			want, wantErr := standard(t, filepath.Join(dir, f.Name))
			pieces, state, err := readAll(t, f, cfg, options(fhirmsg.DefaultChunkSize))
			if (err != nil) != (wantErr != nil) {
				t.Errorf("%s: got error %v, the standard library %v", f.Name, err, wantErr)
				continue
			}
			got, lines := total(pieces)
			wantLines := int64(bytes.Count(want, []byte("\n")))
			if len(want) > 0 && want[len(want)-1] != '\n' {
				wantLines++
			}
			if state.Document {
				documents++
				wantLines = 1
			}
			perFolder[filepath.Dir(f.Name)] += lines
			if !bytes.Equal(got, want) || lines != wantLines {
				t.Errorf("%s: got %d bytes, %d lines, want %d, %d", f.Name, len(got), lines, len(want), wantLines)
			}
		}
		t.Logf("%s: %d files, %d of them documents, %d skipped", name, len(files), documents, len(skipped))
		if got := perFolder["smart-bulk-10"]; name == "suppliers" && got != 7164 {
			t.Errorf("smart-bulk-10: got %d lines, want 7164", got)
		}
	}
}

// standard is a file's content by the standard library.
func standard(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return content, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestDocumentsOfTheIndex: what the sample data's index lists as one document, and is over
// more than one line, is one; what it lists as lines is not.
func TestDocumentsOfTheIndex(t *testing.T) {
	t.Parallel()
	dir := sampleData(t, "messy")
	index, err := os.Open(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close() //nolint:errcheck // opened to read only
	cfg := source.Config{Roots: []string{dir}}
	checked := map[string]bool{}
	for lines := bufio.NewScanner(index); lines.Scan(); {
		row := strings.Split(lines.Text(), "\t") // path, bytes, bom, crlf, final newline, line, json, …
		if len(row) < 7 || row[6] != "ok" || checked[row[0]] {
			continue
		}
		checked[row[0]] = true
		path := filepath.Join(dir, row[0])
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := row[5] == "0" && bytes.ContainsRune(bytes.TrimSpace(content), '\n')
		files, _, err := source.List(t.Context(), fhirmsg.Source{Path: path}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, state, err := readAll(t, files[0], cfg, options(fhirmsg.DefaultChunkSize)); err != nil || state.Document != want {
			t.Errorf("%s: got document %v, %v; want %v", row[0], state.Document, err, want)
		}
	}
	if len(checked) < 100 {
		t.Errorf("checked %d files only", len(checked))
	}
}
