package convert

import (
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestOutcomes: lines of what a supplier reports are counted, and nothing is made of them.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	lines := newChunk(`{"resourceType":"OperationOutcome","id":"a"}` + "\n\n" + `{"resourceType":"Patient","id":"b"}` + "\nnot JSON\n")
	long := newChunk("{")
	long.TooLong = true
	document := newChunk("{\n}\n")
	document.Document, document.Lines = true, 1
	for _, tt := range []struct {
		chunk          fhirmsg.Chunk
		control, blank int64
	}{{lines, 3, 1}, {long, 1, 0}, {document, 1, 0}} {
		tt.chunk.Outcome = true
		out := mustConvert(t, New(Options{}), tt.chunk)
		if s := out.Statement; s.Control != tt.control || s.Blank != tt.blank || len(out.Batches)+len(out.Rejects) != 0 {
			t.Errorf("%+v, %d batches, %d rejects", s, len(out.Batches), len(out.Rejects))
		}
	}
}

// TestTransactionTime: what has no date of its own has that of its file, unless the import names one.
func TestTransactionTime(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType":"Patient","id":"a"}
{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}
{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/c"}}]}
`
	const changed = 1_577_836_800_000_000
	file, own, future := int64(1_750_000_000_000_000), int64(1_600_000_000_000_000), int64(1_800_000_000_000_000)
	tests := []struct {
		name      string
		mode      fhirmsg.Mode
		file, own *int64
		want      [3]int64
	}{
		{"of the file", fhirmsg.ModeSync, &file, nil, [3]int64{file, changed, file}},
		{"of the import", fhirmsg.ModeSync, &file, &own, [3]int64{own, changed, own}},
		{"in the future", fhirmsg.ModeSync, &future, nil, [3]int64{1_760_000_000_000_001, changed, 1_760_000_000_000_001}},
		{"none", fhirmsg.ModeSync, nil, nil, [3]int64{1_760_000_000_000_001, changed, 1_760_000_000_000_001}},
		{"mode overwrite", fhirmsg.ModeOverwrite, &file, nil, [3]int64{1_760_000_000_000_001, 1_760_000_000_000_001, 1_760_000_000_000_001}},
	}
	for _, tt := range tests {
		c := newChunk(body)
		c.Import.Mode, c.Import.AsOf, c.AsOf = tt.mode, tt.own, tt.file
		var got [3]int64
		for _, b := range mustConvert(t, New(Options{}), c).Batches {
			for r, err := range b.Records() {
				if err != nil {
					t.Fatal(err)
				}
				got[r.Line-1] = r.Stamp
				if r.Deleted != (r.Line == 3) {
					t.Errorf("%s: line %d deleted: %v", tt.name, r.Line, r.Deleted)
				}
			}
		}
		if got != tt.want {
			t.Errorf("%s: stamps %v, want %v", tt.name, got, tt.want)
		}
	}
}
