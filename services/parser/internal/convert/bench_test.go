package convert

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// BenchmarkConvert converts suppliers' files in chunks as they come from the queue, without
// decompressing and encoding them: plain lines, and Bundles with references to rewrite; unchecked and checked.
func BenchmarkConvert(b *testing.B) {
	read := func(get func() ([]byte, error)) []byte {
		body, err := get()
		if err != nil {
			b.Fatal(err)
		}
		return body[:min(len(body), 8<<20)]
	}
	supplier := func(name string) func() ([]byte, error) {
		return func() ([]byte, error) { return datatest.Supplier(name) }
	}
	for name, body := range map[string][]byte{
		"plain/smart-bulk-10":      read(supplier("smart-bulk-10")),
		"plain/google-synthea-hiv": read(supplier("google-synthea-hiv")),
		"bundles/huge": read(func() ([]byte, error) {
			files, err := datatest.Files("huge")
			if err != nil {
				return nil, err
			}
			return datatest.Read(files[0])
		}),
	} {
		all := chunks(body, fhirmsg.DefaultChunkSize, false)
		run := func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			p := New(Options{})
			resources := int64(0)
			for b.Loop() {
				for _, c := range all {
					out, err := p.Convert(c)
					if err != nil {
						b.Fatal(err)
					}
					resources += out.Statement.Plain + out.Statement.Entries
				}
			}
			b.ReportMetric(float64(resources)/b.Elapsed().Seconds(), "resources/s")
		}
		b.Run(name, run)
		for i := range all {
			all[i].Import.Validation, all[i].Import.Definitions = fhirmsg.ValidationWarn, definitions(b)
		}
		b.Run(name+"/checked", run)
	}
}

// TestPlainLinesAllocateNothing is alone: allocations of other tests would be counted. What
// is allocated for a chunk must not depend on the number of its lines.
func TestPlainLinesAllocateNothing(t *testing.T) {
	all, err := datatest.Supplier("smart-bulk-10")
	if err != nil {
		t.Fatal(err)
	}
	cs := chunks(all, fhirmsg.DefaultChunkSize, false)
	c := cs[len(cs)/2]
	p := New(Options{})
	n := testing.AllocsPerRun(20, func() {
		if out, err := p.Convert(c); err != nil || out.Statement.Plain != c.Lines {
			t.Fatal(err, out.Statement.Plain, c.Lines)
		}
	})
	if n > 10 || c.Lines < 100 {
		t.Errorf("%v allocations for a chunk of %d lines, want at most 10", n, c.Lines)
	}
}
