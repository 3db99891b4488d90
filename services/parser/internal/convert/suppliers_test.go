package convert

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// chunks cuts a file's bytes at line ends as the fetcher does, or leaves it a document.
func chunks(body []byte, size int, document bool) []fhirmsg.Chunk {
	if document {
		c := newChunk(string(body))
		c.Document, c.Lines = true, 1
		return []fhirmsg.Chunk{c}
	}
	var all []fhirmsg.Chunk
	offset, line := int64(0), int64(1)
	for len(body) > 0 {
		end := min(size, len(body))
		if end < len(body) {
			if i := bytes.LastIndexByte(body[:end], '\n'); i >= 0 {
				end = i + 1
			} else if i := bytes.IndexByte(body, '\n'); i >= 0 {
				end = i + 1
			} else {
				end = len(body)
			}
		}
		c := newChunk(string(body[:end]))
		c.Offset, c.FirstLine = offset, line
		all = append(all, c)
		offset, line, body = offset+int64(end), line+c.Lines, body[end:]
	}
	return all
}

// sum adds up the counts of statements.
func sum(total *fhirmsg.Statement, s fhirmsg.Statement) {
	total.Lines += s.Lines
	total.Blank += s.Blank
	total.Control += s.Control
	total.Rejected += s.Rejected
	total.Plain += s.Plain
	total.Bundles += s.Bundles
	total.Entries += s.Entries
	total.EntriesRejected += s.EntriesRejected
	total.Ignored += s.Ignored
	total.Clamped += s.Clamped
	total.Issues += s.Issues
}

// TestSuppliers converts every file of every supplier. Expected are the counts that
// SOURCES.md beside the files has, or that can be counted in them with other tools.
func TestSuppliers(t *testing.T) {
	t.Parallel()
	want := map[string]fhirmsg.Statement{
		"fhir-test-data-r4":        {Lines: 3171, Plain: 3171},
		"google-synthea-hiv":       {Lines: 12389, Plain: 12389},
		"mii-kds-testdata":         {Lines: 331, Plain: 321, Bundles: 10, Entries: 411},
		"mimic-iv-demo-2.0":        {Lines: 2493, Plain: 2493},
		"ms-fhir-converter-output": {Lines: 4036, Plain: 4036},
		"smart-bulk-10":            {Lines: 7164, Rejected: 4, Plain: 7160},
		"smart-generated-r4":       {Lines: 9567, Plain: 9563, Bundles: 4, Entries: 2947},
		"us-core-examples":         {Lines: 230, Plain: 225, Bundles: 5, Entries: 11},
	}
	dir, err := datatest.Dir("suppliers")
	if err != nil {
		t.Fatal(err)
	}
	suppliers, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(suppliers) != len(want) {
		t.Errorf("%d suppliers, want %d", len(suppliers), len(want))
	}
	for _, supplier := range suppliers {
		t.Run(supplier.Name(), func(t *testing.T) {
			t.Parallel()
			files, err := datatest.Files(filepath.Join("suppliers", supplier.Name()))
			if err != nil {
				t.Fatal(err)
			}
			p := New(Options{})
			var got fhirmsg.Statement
			for _, file := range files {
				if !strings.HasSuffix(file, ".ndjson.gz") {
					continue
				}
				body, err := datatest.Read(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range chunks(body, fhirmsg.DefaultChunkSize, false) {
					sum(&got, mustConvert(t, p, c).Statement)
				}
			}
			got.Issues = 0
			if !reflect.DeepEqual(got, want[supplier.Name()]) {
				t.Errorf("counts %+v\nwant   %+v", got, want[supplier.Name()])
			}
		})
	}
}

// TestMessyFiles: whatever is in a file, as lines and as one document, adds up. Twice, in
// chunks of two sizes, the same lines are taken.
func TestMessyFiles(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"messy", "huge", "fhir-test-cases"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			files, err := datatest.Files(folder)
			if err != nil {
				t.Fatal(err)
			}
			p := New(Options{})
			for _, file := range files {
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if unpacked, err := datatest.Read(file); err == nil {
					body = unpacked
				}
				var bySize [2]fhirmsg.Statement
				for i, size := range []int{4 << 10, fhirmsg.DefaultChunkSize} {
					for _, c := range chunks(body, size, false) {
						sum(&bySize[i], mustConvert(t, p, c).Statement)
					}
				}
				if !reflect.DeepEqual(bySize[0], bySize[1]) {
					t.Errorf("%s: by chunks of 4 KiB %+v, of the usual size %+v", filepath.Base(file), bySize[0], bySize[1])
				}
				for _, c := range chunks(body, 0, true) {
					mustConvert(t, p, c)
				}
			}
		})
	}
}

// TestReferencesOfBundlesResolve: after unrolling, every urn:uuid reference of a Bundle is the
// key of a resource that came with it.
func TestReferencesOfBundlesResolve(t *testing.T) {
	t.Parallel()
	all, err := datatest.Supplier("smart-generated-r4")
	if err != nil {
		t.Fatal(err)
	}
	bundles := 0
	p := New(Options{})
	for _, text := range bytes.Split(all, []byte("\n")) {
		if !bytes.HasPrefix(text, []byte(`{"resourceType":"Bundle"`)) {
			continue
		}
		bundles++
		before := bytes.Count(text, []byte(`"reference":"urn:uuid:`))
		out := mustConvert(t, p, newChunk(string(text)))
		keys := map[string]bool{}
		after, rewritten := 0, 0
		for _, b := range out.Batches {
			for r := range b.Records() {
				keys[b.Type+"/"+string(r.ID)] = true
				after += bytes.Count(r.Body, []byte(`"reference":"urn:uuid:`))
			}
		}
		for _, b := range out.Batches {
			for r := range b.Records() {
				for _, part := range bytes.Split(r.Body, []byte(`"reference":"`))[1:] {
					reference, _, _ := bytes.Cut(part, []byte(`"`))
					if keys[string(reference)] {
						rewritten++
					}
				}
			}
		}
		if before == 0 || after != 0 || rewritten != before {
			t.Errorf("of %d references by urn:uuid %d are left and %d lead to a resource of the Bundle", before, after, rewritten)
		}
	}
	if bundles != 4 {
		t.Errorf("%d Bundles, want 4", bundles)
	}
}
