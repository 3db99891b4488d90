package convert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestHistory: the versions of what a history Bundle tells, in mode sync and by the rules that an import pins: what was
// deleted and came back is there, and what was deleted last is not, whether or not the server dates deletions.
func TestHistory(t *testing.T) {
	t.Parallel()
	entry := func(date, method string) string {
		if method == "DELETE" {
			return `{"request":{"method":"DELETE","url":"Patient/1"},"response":{"status":"204"` + date + `}}`
		}
		return `{"resource":{"resourceType":"Patient","id":"1","meta":{"lastUpdated":"` + date + `"}},"request":{"method":"` + method + `","url":"Patient/1"}}`
	}
	const first, last = "2025-01-01T00:00:00Z", "2025-03-01T00:00:00Z"
	const between = `,"lastModified":"2025-02-01T00:00:00Z"`
	bundle := func(entries ...string) string {
		return `{"resourceType":"Bundle","type":"history","entry":[` + strings.Join(entries, ",") + `]}`
	}
	tests := []struct {
		name, body string
		rules      int
		want       string // the greatest version
	}{
		{"came back", bundle(entry(last, "PUT"), entry(between, "DELETE"), entry(first, "PUT")), Rules, "there 2025-03-01 -1"},
		{"came back, undated", bundle(entry(last, "PUT"), entry("", "DELETE"), entry(first, "PUT")), Rules, "there 2025-03-01 -1"},
		{"came back, oldest first", bundle(entry(first, "PUT"), entry("", "DELETE"), entry(last, "PUT")), Rules, "there 2025-03-01 3"},
		{"deleted", bundle(entry(between, "DELETE"), entry(first, "PUT")), Rules, "deleted 2025-02-01 -1"},
		{"deleted, undated", bundle(entry("", "DELETE"), entry(first, "PUT")), Rules, "deleted 2025-01-01 -1"},
		{"deleted, undated, oldest first", bundle(entry(first, "PUT"), entry(last, "PUT"), entry("", "DELETE")), Rules, "deleted 2025-03-01 3"},
		{"came back, undated, by rules of before", bundle(entry(last, "PUT"), entry("", "DELETE"), entry(first, "PUT")), 4, "deleted 2025-10-09 -2"},
	}
	for _, tt := range tests {
		c := newChunk(tt.body + "\n")
		c.Import.Rules = tt.rules
		var best fhirmsg.Version
		got := ""
		for _, b := range mustConvert(t, New(Options{}), c).Batches {
			for r := range b.Records() {
				v := fhirmsg.Version{Stamp: r.Stamp, Issued: c.Import.Issued, Ordinal: fhirmsg.Ordinal{Line: r.Line, Entry: r.Entry}}
				if got != "" && v.Compare(best) < 0 {
					continue
				}
				best = v
				got = fmt.Sprintf("%s %s %d", map[bool]string{true: "deleted", false: "there"}[r.Deleted], time.UnixMicro(r.Stamp).UTC().Format(time.DateOnly), r.Entry)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
