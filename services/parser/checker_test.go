package parser_test

import (
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser"
)

// TestChecker: errors and warnings are told at their places, wherever in a file the chunk is.
func TestChecker(t *testing.T) {
	t.Parallel()
	const (
		good   = `{"resourceType":"Patient","id":"a","gender":"male"}`
		bad    = `{"resourceType":"Patient","id":"b","gender":"M"}`
		broken = `{"resourceType":"Patient","id":"c"`
		warned = `{"resourceType":"NutritionOrder","id":"n","status":"active","intent":"order","patient":{"reference":"Patient/p"},"dateTime":"2020"}`
		bundle = `{"resourceType":"Bundle","type":"collection","total":1,"entry":[{"fullUrl":"http://a.b/Patient/a","resource":` + good + `},{"fullUrl":"http://a.b/Patient/b","resource":` + bad + `}]}`
	)
	body := strings.Join([]string{good, bad, "", broken, warned, warned, bundle, ""}, "\n")
	type report struct {
		line     int64
		entry    int32
		severity string
		at       string
	}
	want := []report{
		{2, 0, "error", `"M"}`},
		{4, 0, "error", ``},
		{5, 0, "warning", ""},
		{6, 0, "warning", ""},
		{7, 2, "error", `"M"}}`},
		{7, 0, "error", ""},
	}
	checker, err := parser.NewChecker()
	if err != nil {
		t.Fatal(err)
	}
	for _, offset := range []int64{0, 1, 5 << 30} {
		chunk := fhirmsg.Chunk{ChunkHeader: fhirmsg.ChunkHeader{
			Place: fhirmsg.Place{Offset: offset, Length: int64(len(body))}, FirstLine: 1, Lines: 7,
		}, Body: []byte(body)}
		rejects, s, err := checker.Check(chunk)
		if err != nil {
			t.Fatal(err)
		}
		if s.Offset != offset || s.Lines != 7 || s.Blank != 1 || s.Rejected != 2 || s.Plain != 3 || s.Bundles != 1 || s.Entries != 2 || s.EntriesRejected != 1 {
			t.Errorf("offset %d: statement %+v", offset, s)
		}
		if len(rejects) != len(want) {
			t.Fatalf("offset %d: %d rejects, want %d: %+v", offset, len(rejects), len(want), rejects)
		}
		for n, r := range rejects {
			w, i := want[n], r.Issues[0]
			begin := r.Offset - offset
			if r.Line != w.line || r.Entry != w.entry || i.Severity != w.severity || i.Line != w.line ||
				i.Column != i.Offset+1 || !strings.HasPrefix(body[begin+i.Offset:], w.at) || strings.Count(body[:begin], "\n") != int(w.line)-1 {
				t.Errorf("offset %d: reject %d is %+v, want %+v", offset, n, r, w)
			}
		}
	}
	chunk := fhirmsg.Chunk{ChunkHeader: fhirmsg.ChunkHeader{FirstLine: 1, Lines: 2}, Body: []byte(good)}
	if _, _, err := checker.Check(chunk); err == nil || strings.Contains(err.Error(), "Patient") {
		t.Errorf("a chunk that lacks a line: %v", err)
	}
}
