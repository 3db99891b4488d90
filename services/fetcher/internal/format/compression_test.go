package format_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/format"
)

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	write(t, w, content)
	return b.Bytes()
}

func zstded(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, content)
	return b.Bytes()
}

func write(t testing.TB, w io.WriteCloser, content []byte) {
	t.Helper()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// decompress detects and reads to the end.
func decompress(r io.Reader) (format.Compression, []byte, error) {
	in := format.NewInput(r)
	c := in.Detect()
	content, err := in.Decompress(c)
	if err != nil {
		return c, nil, err
	}
	got, err := io.ReadAll(content)
	if _, again := content.Read(make([]byte, 1)); err != nil && !errors.Is(again, err) {
		return c, got, fmt.Errorf("the error did not stay: %w, then %w", err, again)
	}
	return c, got, errors.Join(err, content.Close())
}

// lines is content that compresses somewhat, so that it takes several blocks.
func lines(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // test data
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "{\"resourceType\":\"Basic\",\"id\":\"%d\",\"x\":%d}\n", i, r.Uint64())
	}
	return b.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestDecompress(t *testing.T) {
	t.Parallel()
	content := lines(20_000)
	half := len(content) / 2
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}
	tests := []struct {
		name        string
		file        []byte
		compression format.Compression
		want        []byte
	}{
		{"nothing", nil, format.None, nil},
		{"a byte", []byte{0x1f}, format.None, []byte{0x1f}},
		{"plain", content, format.None, content},
		{"gzip", gzipped(t, content), format.Gzip, content},
		{"gzip of nothing", gzipped(t, nil), format.Gzip, nil},
		{"gzip in members", join(gzipped(t, content[:half]), gzipped(t, nil), gzipped(t, content[half:])), format.Gzip, content},
		{"gzip in gzip stays", gzipped(t, gzipped(t, content)), format.Gzip, gzipped(t, content)},
		{"zstd", zstded(t, content), format.Zstd, content},
		{"zstd in frames", join(zstded(t, content[:half]), skippable, zstded(t, content[half:])), format.Zstd, content},
		{"zstd after a skippable frame", join(skippable, zstded(t, content)), format.Zstd, content},
	}
	for _, tt := range tests {
		for _, reader := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.HalfReader, iotest.DataErrReader} {
			c, got, err := decompress(reader(bytes.NewReader(tt.file)))
			if err != nil || c != tt.compression || !bytes.Equal(got, tt.want) {
				t.Errorf("%s: got %q, %d bytes, %v; want %q, %d bytes", tt.name, c, len(got), err, tt.compression, len(tt.want))
			}
		}
	}
}

// TestCutShort cuts at many places: what could be decoded is there, and the error with it.
func TestCutShort(t *testing.T) {
	t.Parallel()
	content := lines(5000)
	for name, file := range map[string][]byte{"gzip": gzipped(t, content), "zstd": zstded(t, content)} {
		most := 0
		for cut := 4; cut < len(file); cut += 1 + len(file)/80 {
			_, got, err := decompress(bytes.NewReader(file[:cut]))
			if !errors.Is(err, format.ErrTruncated) {
				t.Fatalf("%s cut at %d of %d: error %v, want %v", name, cut, len(file), err, format.ErrTruncated)
			}
			if !bytes.HasPrefix(content, got) || len(got) < most {
				t.Fatalf("%s cut at %d: got %d bytes that are not the beginning, or less than before", name, cut, len(got))
			}
			most = len(got)
		}
		if most < len(content)/4 {
			t.Errorf("%s: got at most %d of %d bytes", name, most, len(content))
		}
	}
	// In the second member, the first is whole.
	two := join(gzipped(t, content), gzipped(t, content))
	if _, got, err := decompress(bytes.NewReader(two[:len(two)/2+5])); !errors.Is(err, format.ErrTruncated) || !bytes.Equal(got, content) {
		t.Errorf("second header cut: got %d bytes, %v; want %d, %v", len(got), err, len(content), format.ErrTruncated)
	}
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	content := lines(5000)
	flipped := func(file []byte, at int) []byte {
		file = bytes.Clone(file)
		file[at] ^= 0x55
		return file
	}
	gz, zs := gzipped(t, content), zstded(t, content)
	tests := []struct {
		name string
		file []byte
		all  bool // the content was decoded to its end
	}{
		{"gzip of an unknown method", []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0}, false},
		{"gzip, middle", flipped(gz, len(gz)/2), false},
		{"gzip, checksum", flipped(gz, len(gz)-8), true},
		{"gzip, length", flipped(gz, len(gz)-1), true},
		{"gzip, garbage after the end", join(gz, []byte("garbage that is longer than a header")), true},
		{"gzip, zeros after the end", join(gz, make([]byte, 512)), true},
		{"zstd, middle", flipped(zs, len(zs)/2), false},
		{"zstd, checksum", flipped(zs, len(zs)-1), false}, // it withholds the last block
		{"zstd, garbage after the end", join(zs, []byte("garbage that is longer than a header")), true},
	}
	for _, tt := range tests {
		_, got, err := decompress(bytes.NewReader(tt.file))
		if !errors.Is(err, format.ErrDamaged) && !errors.Is(err, format.ErrTruncated) {
			t.Errorf("%s: error %v, want %v", tt.name, err, format.ErrDamaged)
		}
		if tt.all && !bytes.Equal(got, content) {
			t.Errorf("%s: got %d bytes, want all %d", tt.name, len(got), len(content))
		}
	}
}

// TestWindowTooLarge: a small file cannot make the decoder take any amount of memory.
func TestWindowTooLarge(t *testing.T) {
	t.Parallel()
	file := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00} // a window of 1 GiB
	if _, _, err := decompress(bytes.NewReader(file)); !errors.Is(err, format.ErrDamaged) {
		t.Errorf("got %v, want %v", err, format.ErrDamaged)
	}
}

// TestSourceError: an error of the source is not taken for one of the content.
func TestSourceError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	content := lines(20_000)
	for name, file := range map[string][]byte{"plain": content, "gzip": gzipped(t, content), "zstd": zstded(t, content)} {
		for _, cut := range []int{0, 2, 4, 100, len(file) / 2, len(file)} {
			_, got, err := decompress(io.MultiReader(bytes.NewReader(file[:cut]), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) || errors.Is(err, format.ErrTruncated) || errors.Is(err, format.ErrDamaged) {
				t.Errorf("%s broken at %d: error %v, want %v", name, cut, err, broken)
			}
			if !bytes.HasPrefix(content, got) && cut > 4 {
				t.Errorf("%s broken at %d: what came before is not the beginning", name, cut)
			}
		}
	}
}

func TestUnknownCompression(t *testing.T) {
	t.Parallel()
	if _, err := format.NewInput(bytes.NewReader(nil)).Decompress("rar"); err == nil {
		t.Error("got no error")
	}
}

func FuzzDecompress(f *testing.F) {
	content := lines(20)
	f.Add(content)
	f.Add(gzipped(f, content))
	f.Add(zstded(f, content))
	f.Add(join(gzipped(f, content), gzipped(f, nil), []byte("x")))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := format.NewInput(bytes.NewReader(file))
		c := in.Detect()
		content, err := in.Decompress(c)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(content, 64<<20)) // small files may hold much
		if err != nil && !errors.Is(err, format.ErrDamaged) && !errors.Is(err, format.ErrTruncated) {
			t.Fatalf("unexpected error %v", err)
		}
		if c == format.None && n != int64(len(file)) {
			t.Fatalf("plain: got %d bytes of %d", n, len(file))
		}
		if err := content.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestBomb: content out of all proportion is given up early; what is only very regular is not.
func TestBomb(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 1<<20)
	var regular []byte
	for i := 0; len(regular) < 1<<20; i++ {
		regular = fmt.Appendf(regular, "{\"resourceType\":\"Patient\",\"id\":\"%d\",\"text\":\"%s\"}\n", i, strings.Repeat("the same again ", 30))
	}
	for _, tt := range []struct {
		name string
		part []byte // of 1 MiB
		want error
	}{
		{"gzip", gzipped(t, zeros), format.ErrRatio}, {"zstd", zstded(t, zeros), format.ErrRatio},
		{"regular, gzip", gzipped(t, regular), nil}, {"regular, zstd", zstded(t, regular), nil},
	} {
		const parts = 80
		in := format.NewInput(bytes.NewReader(bytes.Repeat(tt.part, parts)))
		content, err := in.Decompress(in.Detect())
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, content)
		if !errors.Is(err, tt.want) || (n < parts<<20) != (tt.want != nil) {
			t.Errorf("%s: got %d MiB, %v; want %v", tt.name, n>>20, err, tt.want)
		}
	}
}

// TestHollow: what goes on without end, and holds nothing, is given up.
func TestHollow(t *testing.T) {
	t.Parallel()
	const skipped = 1 << 20
	skippable := append(binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18}, skipped), make([]byte, skipped)...)
	for name, part := range map[string][]byte{
		"members of gzip": bytes.Repeat(gzipped(t, nil), 10_000), "frames that are skipped": skippable,
	} {
		in := format.NewInput(&endless{part: append(slices.Clone(part), part...)})
		content, err := in.Decompress(in.Detect())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, content); !errors.Is(err, format.ErrHollow) || n != 0 {
			t.Errorf("%s: got %d bytes, %v; want %v", name, n, err, format.ErrHollow)
		}
	}
}

// endless repeats a part.
type endless struct {
	part []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.part[e.at:])
	e.at = (e.at + n) % len(e.part)
	return n, nil
}
