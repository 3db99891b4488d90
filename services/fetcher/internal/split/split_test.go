package split_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/split"
)

// pieces reads to the end, or the error, and keeps the bodies.
func pieces(r io.Reader, opts split.Options) ([]split.Piece, error) {
	s := split.New(r, opts)
	var all []split.Piece
	for {
		p, err := s.Next()
		if err != nil {
			if _, again := s.Next(); !errors.Is(again, err) {
				return all, fmt.Errorf("the error did not stay: %w, then %w", err, again)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, err
		}
		p.Body = bytes.Clone(p.Body)
		all = append(all, p)
	}
}

// plain is what [split.Splitter] must do, done line by line on content that is at hand.
func plain(content []byte, opts split.Options) []split.Piece {
	var all []split.Piece
	offset, line := opts.StartOffset, opts.StartLine
	add := func(body []byte, lines int64, tooLong bool) {
		p := split.Piece{Offset: offset, Length: int64(len(body)), FirstLine: line, Lines: lines, Body: body, TooLong: tooLong, Document: opts.Document}
		if tooLong {
			p.Body = body[:min(len(body), 1024)]
		}
		all = append(all, p)
		offset += p.Length
		line += lines
	}
	if opts.Document {
		if len(content) > 0 {
			add(content, 1, len(content) > opts.MaxLine)
		}
		return all
	}
	// A missing last newline needs no room of its own in a piece that is full; see below.
	var piece []byte
	var lines int64
	flush := func() {
		if lines > 0 {
			add(piece, lines, false)
		}
		piece, lines = nil, 0
	}
	for l := range bytes.Lines(content) {
		switch {
		case len(bytes.TrimSuffix(l, []byte("\n"))) > opts.MaxLine:
			flush()
			add(l, 1, true)
			continue
		case len(piece)+len(l) > opts.ChunkSize:
			flush()
		case len(piece)+len(l) == opts.ChunkSize && !bytes.HasSuffix(l, []byte("\n")):
			// The splitter cannot know that nothing follows a window that is full.
			flush()
		}
		piece = append(piece, l...)
		lines++
		if len(piece) > opts.ChunkSize {
			flush()
		}
	}
	flush()
	return all
}

func TestPieces(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	tests := []struct {
		name, content      string
		chunkSize, maxLine int
		want               []string // bodies
		wantLines          int64
	}{
		{"empty", "", 8, 100, nil, 0},
		{"one line", "ab\n", 8, 100, []string{"ab\n"}, 1},
		{"missing last newline", "ab\ncd", 8, 100, []string{"ab\ncd"}, 2},
		{"only a newline", "\n", 8, 100, []string{"\n"}, 1},
		{"cut at the last newline that fits", "ab\ncd\nef\n", 8, 100, []string{"ab\ncd\n", "ef\n"}, 3},
		{"filled exactly", "ab\ncd\nef\n", 6, 100, []string{"ab\ncd\n", "ef\n"}, 3},
		{"filled exactly, missing last newline", "ab\ncdef", 7, 100, []string{"ab\n", "cdef"}, 2},
		{"a line longer than a piece", "a\n123456789\nb\n", 4, 100, []string{"a\n", "123456789\n", "b\n"}, 3},
		{"a last line longer than a piece", "a\n123456789", 4, 100, []string{"a\n", "123456789"}, 2},
		{"carriage returns and blank lines", "\xef\xbb\xbfa\r\n\r\n\n \n", 20, 100, []string{"\xef\xbb\xbfa\r\n\r\n\n \n"}, 4},
		{"a line as long as allowed", "12345\nb\n", 2, 5, []string{"12345\n", "b\n"}, 2},
		{"a last line as long as allowed", "12345", 2, 5, []string{"12345"}, 1},
		{"a line over the limit", "a\n" + long + "\nb\n", 16, 100, []string{"a\n", long[:1024], "b\n"}, 3},
		{"a last line over the limit", "a\n" + long, 16, 100, []string{"a\n", long[:1024]}, 2},
		{"a line over a limit smaller than a piece", "a\nb\n123456\nc\nd\n", 100, 5, []string{"a\nb\n", "123456\n", "c\nd\n"}, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, err := pieces(strings.NewReader(tt.content), split.Options{ChunkSize: tt.chunkSize, MaxLine: tt.maxLine})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			var lines, length int64
			for _, p := range all {
				got = append(got, string(p.Body))
				lines += p.Lines
				length += p.Length
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("bodies (-want +got):\n%s", diff)
			}
			if lines != tt.wantLines || length != int64(len(tt.content)) {
				t.Errorf("got %d lines, %d bytes, want %d, %d", lines, length, tt.wantLines, len(tt.content))
			}
		})
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	content := []byte("{\n  \"a\": [\n\n1]\n}\n")
	for maxLine, tooLong := range map[int]bool{100: false, len(content): false, len(content) - 1: true, 3: true} {
		for _, chunkSize := range []int{1, 4, len(content), 100} {
			all, err := pieces(bytes.NewReader(content), split.Options{ChunkSize: chunkSize, MaxLine: maxLine, Document: true})
			if err != nil {
				t.Fatal(err)
			}
			want := []split.Piece{{Length: int64(len(content)), FirstLine: 1, Lines: 1, Body: content, TooLong: tooLong, Document: true}}
			if diff := cmp.Diff(want, all); diff != "" {
				t.Errorf("chunk size %d, limit %d (-want +got):\n%s", chunkSize, maxLine, diff)
			}
		}
	}
	cut := io.MultiReader(bytes.NewReader(content), iotest.ErrReader(errBroken))
	if all, err := pieces(cut, split.Options{ChunkSize: 4, MaxLine: 100, Document: true}); len(all) != 0 || !errors.Is(err, errBroken) {
		t.Errorf("cut off: got %d pieces, %v; want none and %v", len(all), err, errBroken)
	}
}

var errBroken = errors.New("broken")

// TestReadError: what is whole before an error is delivered, what is not is not; nothing is
// where the reading will go on later.
func TestReadError(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3000)
	tests := []struct {
		content string
		err     error
		want    []string
	}{
		{"", errBroken, nil},
		{"ab", errBroken, nil},
		{"a\nb\nc", errBroken, []string{"a\nb\n"}},
		{"a\nb\n", errBroken, []string{"a\nb\n"}},
		{"a\nb\n123456789\nlast", errBroken, []string{"a\nb\n", "123456789\n"}},
		{"a\n123456789", errBroken, []string{"a\n"}},
		{"a\n" + long, errBroken, []string{"a\n"}},
		{"a\n" + long + "\nb\nc", errBroken, []string{"a\n", long[:1024], "b\n"}},
		{"1234567\na\nb", context.Canceled, []string{"1234567\n"}},
		{"a\nb", fmt.Errorf("read: %w", context.DeadlineExceeded), nil},
	}
	for _, tt := range tests {
		for _, reader := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader} {
			r := reader(io.MultiReader(strings.NewReader(tt.content), iotest.ErrReader(tt.err)))
			all, err := pieces(r, split.Options{ChunkSize: 8, MaxLine: 2000})
			if !errors.Is(err, tt.err) {
				t.Errorf("%.20q: error %v, want %v", tt.content, err, tt.err)
			}
			var got []string
			for _, p := range all {
				got = append(got, string(p.Body))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%.20q: bodies (-want +got):\n%s", tt.content, diff)
			}
		}
	}
}

func TestReaderWithoutProgress(t *testing.T) {
	t.Parallel()
	if _, err := pieces(idle{}, split.Options{ChunkSize: 8, MaxLine: 8}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// differ is empty where a and b are the same; comparing is fast, telling is not.
func differ(want, got []split.Piece) string {
	if slices.EqualFunc(want, got, func(a, b split.Piece) bool {
		same := bytes.Equal(a.Body, b.Body)
		a.Body, b.Body = nil, nil
		return same && reflect.DeepEqual(a, b)
	}) {
		return ""
	}
	return cmp.Diff(want, got)
}

// checkPieces: they are those of plain, however the reader delivers, and the same when the
// reading goes on after any of them.
func checkPieces(t interface{ Fatalf(string, ...any) }, content []byte, opts split.Options) {
	want := plain(content, opts)
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader,
		"halves": iotest.HalfReader, "end with data": iotest.DataErrReader,
	} {
		got, err := pieces(reader(bytes.NewReader(content)), opts)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := differ(want, got); diff != "" {
			t.Fatalf("%s: pieces (-want +got):\n%s", name, diff)
		}
	}
	var length, lines int64
	for i, p := range want {
		length += p.Length
		lines += p.Lines
		rest := opts
		rest.StartOffset, rest.StartLine = opts.StartOffset+length, opts.StartLine+lines
		got, err := pieces(bytes.NewReader(content[length:]), rest)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if diff := differ(want[i+1:], got); diff != "" {
			t.Fatalf("resumed after piece %d (-want +got):\n%s", i, diff)
		}
	}
	count := int64(bytes.Count(content, []byte("\n")))
	if len(content) > 0 && content[len(content)-1] != '\n' {
		count++
	}
	if opts.Document {
		count = int64(min(len(content), 1))
	}
	if length != int64(len(content)) || lines != count {
		t.Fatalf("got %d bytes, %d lines, want %d, %d", length, lines, len(content), count)
	}
}

func TestPiecesOfAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.SampledFrom([]byte("abc\n\n\r ")), 0, 200).Draw(t, "content")
		checkPieces(t, content, split.Options{
			ChunkSize:   rapid.IntRange(1, 60).Draw(t, "chunk size"),
			MaxLine:     rapid.IntRange(1, 60).Draw(t, "limit"),
			StartOffset: rapid.Int64Range(0, 1<<40).Draw(t, "offset"),
			StartLine:   rapid.Int64Range(1, 1<<30).Draw(t, "line"),
			Document:    rapid.Bool().Draw(t, "document"),
		})
	})
}

// TestLongLines: lines of every length around the places where the memory for them grows.
func TestLongLines(t *testing.T) {
	t.Parallel()
	for length := range 5000 {
		content := []byte("a\n" + strings.Repeat("x", length) + "\nb\nc")
		opts := split.Options{ChunkSize: 64, MaxLine: 4096, StartLine: 1}
		got, err := pieces(bytes.NewReader(content), opts)
		if err != nil {
			t.Fatal(err)
		}
		if diff := differ(plain(content, opts), got); diff != "" {
			t.Fatalf("length %d (-want +got):\n%s", length, diff)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\nbb\n\r\n\nccc"), uint8(4), uint8(9), false)
	f.Add([]byte("{\n\"a\": 1\n}\n"), uint8(4), uint8(9), true)
	f.Add([]byte(strings.Repeat("x", 300)+"\n\n\n"), uint8(1), uint8(255), false)
	f.Fuzz(func(t *testing.T, content []byte, chunkSize, maxLine uint8, document bool) {
		if len(content) > 400 {
			return // every piece is a resume point: the square of it
		}
		checkPieces(t, content, split.Options{ChunkSize: int(chunkSize) + 1, MaxLine: int(maxLine) + 1, StartLine: 1, Document: document})
	})
}

// TestMemory: a line of a gigabyte takes no memory to speak of once it is over the limit.
func TestMemory(t *testing.T) { // not parallel: measures what the process allocates
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := split.New(io.LimitReader(endless{}, 1<<30), split.Options{ChunkSize: 64 << 10, MaxLine: 1 << 20})
	p, err := s.Next()
	if err != nil || !p.TooLong || p.Length != 1<<30 || len(p.Body) != 1024 {
		t.Fatalf("got %d bytes, too long: %v, body %d, %v", p.Length, p.TooLong, len(p.Body), err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("allocated %d bytes, want less than 8 MiB", got)
	}
}

// TestLineWithoutAnEnd: whoever reads can end it, and learns how far it got.
func TestLineWithoutAnEnd(t *testing.T) {
	t.Parallel()
	enough, last := errors.New("enough"), int64(0)
	s := split.New(endless{}, split.Options{ChunkSize: 64 << 10, MaxLine: 1 << 20, StartOffset: 5})
	s.WhileSkipping(func(end int64) error {
		if end <= last || end < 1<<20 {
			t.Errorf("at %d after %d", end, last)
		}
		if last = end; end > 1<<24 {
			return enough
		}
		return nil
	})
	for range 2 {
		if p, err := s.Next(); !errors.Is(err, enough) || p.Length != 0 {
			t.Fatalf("got %+v, %v", p, err)
		}
	}
}

// endless is a line that never ends; what the memory held before will do for its bytes.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func BenchmarkSplit(b *testing.B) {
	content := bytes.Repeat(append(bytes.Repeat([]byte("x"), 1459), '\n'), 50_000)
	r := bytes.NewReader(content)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(content)
		s := split.New(r, split.Options{ChunkSize: 512 << 10, MaxLine: 64 << 20})
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
