package bundle

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

// TestHistory: entries of a history are in the order that they say, and dated by their neighbours where they are not.
func TestHistory(t *testing.T) {
	t.Parallel()
	put := func(id, date, etag string) string {
		meta, response := "", ""
		if date != "" {
			meta = `,"meta":{"lastUpdated":"` + date + `"}`
		}
		if etag != "" {
			response = `,"response":{"etag":"` + strings.ReplaceAll(etag, `"`, `\"`) + `"}`
		}
		return `{"resource":{"resourceType":"Patient","id":"` + id + `"` + meta + `},"request":{"method":"PUT","url":"Patient/` + id + `"}` + response + `}`
	}
	deleted := func(id, date, etag string) string {
		return `{"request":{"method":"DELETE","url":"Patient/` + id + `/_history/2"},"response":{"status":"204"` + date + etag + `}}`
	}
	const d1, d2, d3 = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00.5Z"
	at := func(date string) string { return `,"lastModified":"` + date + `"` }
	tests := []struct {
		name    string
		entries []string
		want    string // ordinal, outcome and date of each
	}{
		{"newest first", []string{put("a", d3, ""), deleted("a", at(d2), ""), put("a", d1, "")}, "-1 stored " + d3 + ", -2 deleted " + d2 + ", -3 stored " + d1},
		{"oldest first", []string{put("a", d1, ""), deleted("a", at(d2), ""), put("a", d3, "")}, "1 stored " + d1 + ", 2 deleted " + d2 + ", 3 stored " + d3},
		{"one", []string{put("a", d1, "")}, "-1 stored " + d1},
		{"no dates", []string{put("a", "", ""), put("b", "", "")}, "-1 stored -, -2 stored -"},
		{"the same date", []string{put("a", d1, ""), put("a", d1, "")}, "-1 stored " + d1 + ", -2 stored " + d1},
		{"the same date, by ETag", []string{put("b", d1, `W/"7"`), put("a", d1, `W/"1"`), put("a", d1, `W/"2"`)}, "1 stored " + d1 + ", 2 stored " + d1 + ", 3 stored " + d1},
		{"no dates, by ETag", []string{put("a", "", `W/"9"`), deleted("a", "", `,"etag":"W/\"10\""`)}, "1 stored -, 2 deleted -"},
		{"no dates, by ETag, newest first", []string{deleted("a", "", `,"etag":"\"10\""`), put("a", "", `9`)}, "-1 deleted -, -2 stored -"},
		{"ETags of others, and that are no numbers", []string{put("a", "", `W/"1"`), put("b", "", `W/"2"`), put("a", "", `W/"x"`)}, "-1 stored -, -2 stored -, -3 stored -"},
		{"a deletion without a date is later than what it deleted", []string{put("a", d3, ""), deleted("a", "", ""), put("a", d2, "")},
			"-1 stored " + d3 + ", -2 deleted " + d2 + ", -3 stored " + d2},
		{"oldest first", []string{put("a", d2, ""), deleted("a", "", ""), put("a", d3, "")}, "1 stored " + d2 + ", 2 deleted " + d2 + ", 3 stored " + d3},
		{"the newest", []string{deleted("a", "", ""), put("a", d2, ""), put("a", d1, "")}, "-1 deleted " + d2 + ", -2 stored " + d2 + ", -3 stored " + d1},
		{"the oldest", []string{put("a", d3, ""), put("b", d2, ""), deleted("a", "", ""), deleted("c", "", "")}, "-1 stored " + d3 + ", -2 stored " + d2 + ", -3 deleted " + d2 + ", -4 deleted " + d2},
		{"what was deleted is no date of a deletion", []string{`{"resource":{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"` + d1 + `"}},"request":{"method":"DELETE","url":"Patient/a"}}`, put("b", d2, "")},
			"-1 deleted " + d2 + ", -2 stored " + d2},
		{"dates that are none", []string{deleted("a", `,"lastModified":"yesterday"`, ""), deleted("b", `,"lastModified":7`, ""), put("a", d2, "")}, "-1 deleted yesterday, -2 deleted -, -3 stored " + d2},
		{"entries that are none", []string{`1`, `{"response":[]}`, put("a", d2, "")}, "-1 rejected -, -2 rejected " + d2 + ", -3 stored " + d2},
	}
	for _, tt := range tests {
		doc := `{"resourceType":"Bundle","type":"history","entry":[` + strings.Join(tt.entries, ",") + `]}`
		if got := dated(t, doc, true); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if got := dated(t, doc, false); !strings.HasPrefix(got, "-1 ") {
			t.Errorf("%s: got %s by rules of before", tt.name, got)
		}
	}
}

func dated(t *testing.T, doc string, orders bool) string {
	t.Helper()
	var s resource.Reader
	d, err := s.Read([]byte(doc), false)
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	var u Unroller
	var got []string
	b := Bundle{Text: []byte(doc), Document: d, Type: History, FHIRVersion: fhirmsg.FHIRVersionR4, IDs: key.NewMaker(supplier), Orders: orders}
	u.Unroll(b, func(e *Entry) {
		date := string(e.LastUpdated.Text)
		if date == "" {
			date = string(e.LastModified.Text)
		}
		if date == "" {
			date = "-"
		}
		got = append(got, fmt.Sprintf("%d %s %s", e.Ordinal, [...]string{"rejected", "ignored", "stored", "deleted"}[e.Outcome], date))
	})
	return strings.Join(got, ", ")
}
