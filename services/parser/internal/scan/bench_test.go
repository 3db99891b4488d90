package scan

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// benchmarkLines are resources as suppliers send them: without white space, with some, with
// long texts.
func benchmarkLines(b *testing.B, supplier string) ([][]byte, int64) {
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

var benchmarkSuppliers = []string{"smart-bulk-10", "google-synthea-hiv", "mii-kds-testdata"}

func BenchmarkScan(b *testing.B) {
	for _, supplier := range benchmarkSuppliers {
		lines, size := benchmarkLines(b, supplier)
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
			})
		}
		var s Scanner
		run("scan", func(line []byte) bool { _, err := s.Scan(line); return err == nil })
		run("scan-hash", func(line []byte) bool { _, err := s.Scan(line); s.Hash(); return err == nil })
		run("json.Valid", json.Valid)
	}
}
