package resource

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// benchmarkLines are resources as suppliers send them: without white space, with some, with
// long texts.
func benchmarkLines(b testing.TB, supplier string) ([][]byte, int64) {
	b.Helper()
	all, err := datatest.Supplier(supplier)
	if err != nil {
		b.Fatal(err)
	}
	var lines [][]byte
	var size int64
	for _, line := range bytes.Split(all, []byte("\n")) {
		if len(line) > 0 && size < 8<<20 {
			lines = append(lines, line)
			size += int64(len(line))
		}
	}
	return lines, size
}

var benchmarkSuppliers = []string{"smart-bulk-10", "mimic-iv-demo-2.0", "google-synthea-hiv", "mii-kds-testdata"}

// BenchmarkRead reads resources of suppliers, unchecked and checked against the definitions,
// each with the content hash, beside encoding/json.Valid on the same bytes. The metric
// times-valid is how many times as long as that a run takes.
func BenchmarkRead(b *testing.B) {
	for _, supplier := range benchmarkSuppliers {
		lines, size := benchmarkLines(b, supplier)
		var valid float64 // nanoseconds
		run := func(name string, each func(line []byte) bool) {
			b.Run(name+"/"+supplier, func(b *testing.B) {
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					for i, line := range lines {
						if !each(line) {
							b.Fatalf("line %d is refused", i+1)
						}
					}
				}
				perRun := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
				if name == "json.Valid" {
					valid = perRun
				}
				if valid > 0 {
					b.ReportMetric(perRun/valid, "times-valid")
				}
			})
		}
		r := newReader(b)
		run("json.Valid", json.Valid)
		run("unchecked", func(line []byte) bool { _, err := r.Read(line, false); r.Hash(); return err == nil })
		run("checked", func(line []byte) bool { _, err := r.Read(line, true); r.Hash(); return err == nil })
	}
}
