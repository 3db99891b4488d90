package fetcher

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

func TestRetryChunks(t *testing.T) {
	t.Parallel()
	line := func(number, offset int64, raw string) ledger.RejectRow {
		return ledger.RejectRow{Reject: fhirmsg.Reject{Line: number, Offset: offset, Raw: []byte(raw)}}
	}
	entry := func(number, offset int64, ordinal int32, raw string) ledger.RejectRow {
		r := line(number, offset, raw)
		r.Entry = ordinal
		return r
	}
	tests := []struct {
		name string
		rows []ledger.RejectRow
		want []string // offset, start, first line, lines, entry, document, body
	}{
		{"none", nil, nil},
		{"one", []ledger.RejectRow{line(7, 100, "ab")}, []string{`10 100 7 1 0 false "ab\n"`}},
		{
			"lines that follow each other",
			[]ledger.RejectRow{line(7, 100, "ab"), line(8, 103, "c"), line(9, 105, "d"), line(11, 120, "e")},
			[]string{`10 100 7 3 0 false "ab\nc\nd\n"`, `17 120 11 1 0 false "e\n"`},
		},
		{
			"with returns",
			[]ledger.RejectRow{line(7, 100, "ab"), line(8, 104, "c"), line(9, 107, "d")},
			[]string{`10 100 7 3 0 false "ab\r\nc\r\nd\n"`},
		},
		{
			"of a writer, which knows the chunk's offset only",
			[]ledger.RejectRow{line(7, 100, "ab"), line(8, 100, "cd")},
			[]string{`10 100 7 1 0 false "ab\n"`, `13 100 8 1 0 false "cd\n"`},
		},
		{
			"entries of one line",
			[]ledger.RejectRow{line(6, 97, "ab"), entry(7, 100, -2, "{}"), entry(7, 100, 3, "[]"), line(8, 103, "cd")},
			[]string{
				`10 97 6 1 0 false "ab\n"`,
				`13 100 7 1 -2 false "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{}]}"`,
				`66 100 7 1 3 false "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[[]]}"`,
				`119 103 8 1 0 false "cd\n"`,
			},
		},
		{"a document", []ledger.RejectRow{line(1, 0, "{\n}")}, []string{`10 0 1 1 0 true "{\n}"`}},
	}
	for _, tt := range tests {
		imp := fhirmsg.Import{Retry: fhirmsg.ImportID{1}}
		var got []string
		for _, c := range retryChunks(imp, ledger.File{Index: 4, Type: "Patient"}, tt.rows, 10) {
			got = append(got, fmt.Sprintf("%d %d %d %d %d %v %q", c.Offset, c.LineOffset(), c.FirstLine, c.Lines, c.Entry, c.Document, c.Body))
			if c.File != 4 || c.Type != "Patient" || c.Length != int64(len(c.Body)) || c.Import != imp {
				t.Errorf("%s: header %+v", tt.name, c.ChunkHeader)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	sizes := []ledger.RejectSize{{Bytes: 5}, {Bytes: 5}, {Bytes: 1}}
	for limit, want := range map[int64]int{0: 1, 9: 1, 10: 2, 11: 3, 100: 3} {
		if got := fit(sizes, limit); got != want {
			t.Errorf("fit in %d: %d, want %d", limit, got, want)
		}
	}
}
