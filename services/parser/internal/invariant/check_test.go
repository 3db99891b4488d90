package invariant

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
	"github.com/stoker-fhir/stoker/services/parser/internal/lex"
)

// TestConcurrent: one Set checks in many goroutines.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	d := definitions(t)
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, c := range cases {
				if got := read(d, []byte(c.good), 0, d.Type(c.typ)).check(s); len(got) > 0 {
					t.Errorf("%s: got %v", c.good, got)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzCheck: whatever the document, a check ends without a panic.
func FuzzCheck(f *testing.F) {
	d := definitions(f)
	s, err := New(d)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(c.typ, []byte(c.good))
		f.Add(c.typ, []byte(c.bad))
	}
	f.Fuzz(func(t *testing.T, name string, doc []byte) {
		typ := d.Type(name)
		if typ == nil || typ.Kind.IsPrimitive() || !isObject(doc) {
			return
		}
		if n := read(d, doc, 0, typ); n != nil {
			n.checkAll(s, func(_ *fhirdef.Type, f Finding) {
				if f.Constraint == nil {
					t.Error("a finding without a constraint")
				}
			})
		}
	})
}

// isObject reports whether a document is a JSON object without anything around it.
func isObject(doc []byte) bool {
	if len(doc) == 0 || doc[0] != '{' {
		return false
	}
	return json.Valid(doc) && lex.At(doc, 0).End == len(doc)
}

// BenchmarkCheck checks all objects of real resources; reading them is not measured.
func BenchmarkCheck(b *testing.B) {
	d := definitions(b)
	s, err := New(d)
	if err != nil {
		b.Fatal(err)
	}
	for _, supplier := range []string{"smart-bulk-10", "mimic-iv-demo-2.0", "us-core-examples"} {
		b.Run(supplier, func(b *testing.B) {
			docs := supplierDocs(b, supplier)
			var nodes []*Node
			var collect func(n *tree)
			collect = func(n *tree) {
				nodes = append(nodes, &n.node)
				for _, c := range n.children {
					collect(c)
				}
			}
			size := 0
			for _, doc := range docs {
				if n := readResource(d, doc); n != nil {
					size += len(doc)
					collect(n)
				}
			}
			found := 0
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, n := range nodes {
					s.Check(n, func(Finding) { found++ })
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(nodes)), "ns/object")
			b.ReportMetric(float64(found)/float64(b.N), "findings")
		})
	}
}

// supplierDocs returns the lines of a supplier's files.
func supplierDocs(tb testing.TB, name string) [][]byte {
	tb.Helper()
	b, err := datatest.Supplier(name)
	if err != nil {
		tb.Fatal(err)
	}
	var docs [][]byte
	for line := range bytes.Lines(b) {
		docs = append(docs, bytes.TrimSpace(line))
	}
	return docs
}
