package resource

import (
	"bytes"
	"encoding/json"
	"path"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// benchmarkLines are up to 8 MB of the resources in a folder of the data: without white space,
// with some, with long texts.
func benchmarkLines(b testing.TB, folder string) ([][]byte, int64) {
	b.Helper()
	files, err := datatest.Files(folder)
	if err != nil {
		b.Fatal(err)
	}
	var lines [][]byte
	var size int64
	for _, file := range files {
		if !strings.HasSuffix(file, ".ndjson.gz") {
			continue
		}
		all, err := datatest.Read(file)
		if err != nil {
			b.Fatal(err)
		}
		for line := range bytes.Lines(all) {
			if line = bytes.TrimSpace(line); len(line) > 0 && size < 8<<20 {
				lines = append(lines, line)
				size += int64(len(line))
			}
		}
	}
	return lines, size
}

var benchmarkFolders = []string{
	"suppliers/smart-bulk-10", "suppliers/mimic-iv-demo-2.0", "suppliers/google-synthea-hiv", "suppliers/mii-kds-testdata", "r4-examples",
}

// BenchmarkRead reads resources of suppliers, unchecked and checked against the definitions,
// each with the content hash, beside encoding/json.Valid on the same bytes. The metric
// times-valid is how many times as long as that a run takes.
func BenchmarkRead(b *testing.B) {
	for _, folder := range benchmarkFolders {
		lines, size := benchmarkLines(b, folder)
		var valid float64 // nanoseconds
		run := func(name string, each func(line []byte) bool) {
			b.Run(name+"/"+path.Base(folder), func(b *testing.B) {
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
