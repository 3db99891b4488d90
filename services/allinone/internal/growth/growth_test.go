package growth

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// measured is a report of four steps of a million, with round figures.
func measured() *Report {
	r := &Report{Cores: 2, Memory: 24e9, PostgreSQL: map[string]string{"shared_buffers": "256MB"}}
	for n := int64(1); n <= 4; n++ {
		r.Steps = append(r.Steps, Step{
			Resources: n * 1e6, Bytes: 1500e6, Seconds: 20 + float64(n), Rate: 1e6 / (20 + float64(n)),
			CPU:  map[string]float64{"fetcher": 1, "nats-server": 3, "parser": 8, "writer": 4, "postgres": 20 + float64(n)},
			Peak: map[string]int64{"writer": 100e6}, Written: map[string]int64{"postgres": 4e9, "nats-server": 1e9},
			WAL: 2e9, FullPages: 1000 * n, Checkpoints: 1, Misses: 5, Stream: 200e6,
			Sizes: Sizes{Heap: n * 1400e6, TOAST: n * 300e6, Index: n * 80e6, Ledger: n * 2e6},
		})
	}
	return r
}

func TestCost(t *testing.T) {
	t.Parallel()
	c := measured().Cost() // of the third and the fourth million
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"CPU of PostgreSQL", c.CPU["postgres"], 23.5}, {"CPU of the parser", c.CPU["parser"], 8},
		{"ndjson", c.NDJSON, 1500e6}, {"queue", c.Queue, 200e6}, {"WAL", c.WAL, 2e9}, {"written", c.Written, 5e9},
		{"heap", c.Sizes["heap"], 1400e6}, {"indexes", c.Sizes["indexes"], 80e6}, {"on disk", c.onDisk(), 1782e6},
		{"rate", c.Rate, 2e6 / 47.0},
	} {
		if math.Abs(test.got-test.want) > test.want*1e-9 {
			t.Errorf("%s: got %g, want %g", test.name, test.got, test.want)
		}
	}
}

func TestRatio(t *testing.T) {
	t.Parallel()
	if got, want := measured().Ratio(), 22.0/24; math.Abs(got-want) > 1e-9 {
		t.Errorf("got %g, want %g", got, want)
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	got := measured().Cost().Needs(500e6, 3600)
	for _, want := range []string{
		"| resources/s | 138889 |",
		"| cores, postgres | 5 |", // 23.5 s × 500 / 3600 s / 0.7 = 4.7
		"| cores, fetcher | 1 |",  // 0.2
		"| cores, all | 8 |",      // 39.5 s × 500 / 3600 s / 0.7 = 7.8, shared by all
		"| WAL | 278 MB/s |",      // 2 GB × 500 / 3600 s
		"| read from the source | 208 MB/s |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// TestDocument fills the page of this repository, and again.
func TestDocument(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	once, err := measured().Document(page, "growth.svg")
	if err != nil {
		t.Fatal(err)
	}
	twice, err := measured().Document(once, "growth.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(once, twice) {
		t.Error("filling in the same figures changes the page")
	}
	for _, want := range []string{
		"](growth.svg)", "| 4000000 | 24.0 | 41667 |", "is 0.92 of", "`shared_buffers=256MB`",
		"| indexes | 80 MB | 40 GB |", "| CPU, postgres | 23.5 s | 3.26 core hours |",
	} {
		if !strings.Contains(string(once), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, page, want string }{
		{"empty", "a\n<!-- begin x -->\n<!-- end x -->\nb\n", "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n"},
		{"filled", "<!-- begin x -->\nold\n<!-- end x -->\n", "<!-- begin x -->\nnew\n<!-- end x -->\n"},
		{"no mark", "a\n", ""},
		{"no end", "<!-- begin x -->\n<!-- end y -->\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := fill([]byte(test.page), "x", "new\n")
			if string(got) != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestSVG: it is well-formed, and has a bar for each rate and for each process of each step, within its panel.
func TestSVG(t *testing.T) {
	t.Parallel()
	r := measured()
	decoder := xml.NewDecoder(bytes.NewReader(r.SVG(.85)))
	counts := map[string]int{}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			counts[e.Name.Local]++
		}
	}
	legend := len(processes)
	if got, want := counts["rect"], len(r.Steps)*(1+len(processes))+legend; got != want {
		t.Errorf("%d rectangles, want %d", got, want)
	}
	if !strings.Contains(string(r.SVG(.85)), "0.85 of the second") || strings.Contains(string(r.SVG(0)), "of the second") {
		t.Error("the least rate is to be drawn where there is one, and only there")
	}
}

func TestTickFor(t *testing.T) {
	t.Parallel()
	for highest, want := range map[float64]float64{0: 1, 1: .2, 26859: 10000, 48.2: 10, 5: 1, 501: 200} {
		if got := tickFor(highest); math.Abs(got-want) > 1e-9 {
			t.Errorf("%g: got %g, want %g", highest, got, want)
		}
	}
}

// TestWriteData: as many lines as asked for, of several types, and other ids for another seed.
func TestWriteData(t *testing.T) {
	t.Parallel()
	const n = 700
	seen := map[string]bool{}
	for seed := range uint64(2) {
		dir := filepath.Join(t.TempDir(), "data")
		size, err := writeData(t.Context(), dir, seed+1, n)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
		if err != nil || len(files) < 10 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		var bytesRead int64
		lines := 0
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			bytesRead += int64(len(b))
			for line := range bytes.Lines(b) {
				lines++
				_, rest, _ := bytes.Cut(line, []byte(`"id":"`))
				seen[string(rest[:36])] = true
			}
		}
		if lines != n || bytesRead != size {
			t.Errorf("%d lines in %d bytes, want %d in %d", lines, bytesRead, n, size)
		}
	}
	if len(seen) != 2*n {
		t.Errorf("%d ids, want %d", len(seen), 2*n)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name            string
		resources, step int64
		want            string
	}{
		{"one step", 1000, 1000, "at least two steps"},
		{"no step", 1000, 0, "at least two steps"},
		{"no such disk", 1e15, 1e6, "are needed"},
	} {
		err := Options{Dir: t.TempDir(), Resources: test.resources, Step: test.step, Log: io.Discard}.validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
