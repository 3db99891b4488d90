package convert

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestHostileDocuments: what a document costs grows with its size and no faster, whatever it is made
// of. Allocation is what is measured, since it does not depend on the machine: it is bounded by a
// multiple of the document's size. What takes quadratic time without allocating would not end
// before the test's deadline.
func TestHostileDocuments(t *testing.T) {
	repeat := strings.Repeat
	list := func(contained, entries string) string {
		return `{"resourceType":"List","id":"a","status":"current","mode":"working","contained":[` + contained + `],"entry":[` + entries + `]}`
	}
	const basic, reference = `{"resourceType":"Basic","id":"a","code":{"text":"a"}}`, `{"item":{"reference":"#a"}}`
	var unknown strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&unknown, `,"n%s":1`, strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprintf("%08d", i)))
	}
	tests := []struct {
		name, doc string
		times     int // at most so many bytes allocated for each byte, generously: the race detector keeps less in pools
	}{
		{"rejected entries behind a large one", `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:a","resource":{"resourceType":"Basic","id":"z","code":{"text":"` +
			repeat("ab ä ", 800_000) + `"}}},` + repeat(`{"resource":{"resourceType":"X"}},`, 9_000) + `{"resource":{"resourceType":"X"}}]}`, 80},
		{"one contained id many times", list(repeat(basic+",", 50_000)+basic, repeat(reference+",", 100_000)+reference), 40},
		{"references deep down", `{"resourceType":"Basic","id":"a","code":{"text":"a"},"contained":[` + basic + `],"extension":[` + repeat(`{"url":"a","extension":[`, 58) +
			repeat(`{"url":"a","valueReference":{"reference":"#a"}},`, 50_000) + `{"url":"a","valueReference":{"reference":"#a"}}` + repeat(`]}`, 58) + `]}`, 20},
		{"nulls and companions", `{"resourceType":"Patient","id":"a","name":[{"given":[` + repeat(`null,`, 800_000) + `"a"],"_given":[` + repeat(`{"id":"a"},`, 800_000) + `{"id":"a"}]}]}`, 20},
		{"unknown names", `{"resourceType":"Questionnaire","id":"a","status":"draft"` + unknown.String() + `}`, 40},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { // alone: allocations of others would be counted
			c := newChunk(tt.doc)
			c.Document, c.Lines = true, 1
			c.Import.Validation, c.Import.Definitions = fhirmsg.ValidationStrict, definitions(t)
			p := New(Options{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			mustConvert(t, p, c)
			runtime.ReadMemStats(&after)
			if got := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(tt.doc)); got > float64(tt.times) {
				t.Errorf("%.0f bytes allocated for each of %d, want at most %d", got, len(tt.doc), tt.times)
			}
			// Small documents after it: nothing large is kept.
			small := newChunk(`{"resourceType":"Patient","id":"p"}`)
			small.Import = c.Import
			for range 3 {
				mustConvert(t, p, small)
			}
			runtime.GC()
			runtime.GC()
			var kept runtime.MemStats
			runtime.ReadMemStats(&kept)
			if grown := int64(kept.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
				t.Errorf("%d MB are kept", grown>>20)
			}
			runtime.KeepAlive(p)
		})
	}
}

// TestErrorsBehindWarnings: however many warnings are kept, an error is seen.
func TestErrorsBehindWarnings(t *testing.T) {
	t.Parallel()
	patient := func(id string, warnings int) string {
		return `{"resourceType":"Patient","id":"` + id + `","name":[` + strings.Repeat(`{"text":"a\u0001"},`, warnings) + `{"text":"b"}],"gender":"nonsense"}`
	}
	for _, warnings := range []int{0, 99, 100, 101, 500} {
		if s := convertValidated(t, patient("p", warnings), "strict", nil).Statement; s.Rejected != 1 {
			t.Errorf("an error behind %d warnings: not rejected", warnings)
		}
	}
	var entries []string
	for i := range 103 {
		entries = append(entries, `{"resource":`+patient(fmt.Sprint("p", i), 100)+`}`)
	}
	s := convertValidated(t, `{"resourceType":"Bundle","type":"collection","entry":[`+strings.Join(entries, ",")+`]}`, "strict", nil).Statement
	if s.EntriesRejected != 103 {
		t.Errorf("%d of 103 entries with an error are rejected", s.EntriesRejected)
	}
}

// TestManyEntriesRejected: a Bundle of which too much cannot be taken is one reject, also where it is
// validation that refuses.
func TestManyEntriesRejected(t *testing.T) {
	t.Parallel()
	entry := `{"resource":{"resourceType":"Basic"}}`
	bundle := func(n int) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[` + strings.Repeat(entry+",", n-1) + entry + `]}`
	}
	if s := convertValidated(t, bundle(10_000), "strict", nil).Statement; s.Bundles != 1 || s.EntriesRejected != 10_000 {
		t.Errorf("10000 entries: %d Bundles, %d entries rejected", s.Bundles, s.EntriesRejected)
	}
	if s := convertValidated(t, bundle(10_001), "strict", nil).Statement; s.Rejected != 1 || s.Entries != 0 {
		t.Errorf("10001 entries: %d lines rejected, %d entries", s.Rejected, s.Entries)
	}
	if s := convertValidated(t, bundle(10_001), "warn", nil).Statement; s.Bundles != 1 || s.EntriesRejected != 0 {
		t.Errorf("10001 entries, warn: %d Bundles, %d entries rejected", s.Bundles, s.EntriesRejected)
	}
}

// TestEntryIssues: one mistake in an entry is one issue, of the entry that it is in.
func TestEntryIssues(t *testing.T) {
	t.Parallel()
	bundle := func(kind, entries string) string {
		return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + entries + `]}`
	}
	tests := []struct{ name, doc, want string }{
		{"unknown type", bundle("collection", `{"resource":{"resourceType":"Foo","id":"a"}}`), "1/1 value Bundle.entry[0].resource"},
		{"id with a slash", bundle("collection", `{"resource":{"resourceType":"Patient","id":"a/b"}}`), "1/1 value Bundle.entry[0].resource.id"},
		{"id that is a number", bundle("collection", `{"resource":{"resourceType":"Patient","id":1}}`), "1/1 structure Bundle.entry[0].resource.id"},
		{"resource that is none", bundle("collection", `{"resource":[1]}`), "1/1 structure Bundle.entry[0].resource"},
		{"unknown method", bundle("batch", `{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUTT","url":"Patient/a"}}`), "1/1 value Bundle.entry[0].request.method"},
		{"entry that is none", bundle("collection", `1`), "1/1 structure Bundle.entry[0]"},
		{"no resource", bundle("collection", `{"fullUrl":"http://a/Patient/1"}`), "1/1 required Bundle.entry[0].resource"},
		{"a resource that is ignored", bundle("searchset", `{"resource":{"resourceType":"OperationOutcome","id":"o","issue":[{"severity":"x","code":"y"}]},"search":{"mode":"outcome"}}`), ""},
		{"PATCH with a bad resource", bundle("batch", `{"resource":{"resourceType":"Patient","id":"a","gender":"x"},"request":{"method":"PATCH","url":"Patient/a"}}`),
			"1/1 not-supported Bundle.entry[0].request.method\n1/1 code-invalid Bundle.entry[0].resource.gender"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := convertValidated(t, tt.doc, "strict", nil)
			var got []string
			for _, g := range out.Rejects {
				for _, r := range g.Items {
					for _, i := range r.Issues {
						got = append(got, fmt.Sprintf("%d/%d %s %s", r.Line, r.Entry, i.Code, i.Expression))
					}
				}
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestBundlesOwnIssues are there however many its entries have.
func TestBundlesOwnIssues(t *testing.T) {
	t.Parallel()
	entries := strings.Repeat(`{"resource":{"resourceType":"Patient","id":"p","gender":"x"}},`, 150)
	doc := `{"resourceType":"Bundle","type":"collection","entry":[` + strings.TrimSuffix(entries, ",") + `],"total":-1}`
	got := map[string]int64{}
	for _, c := range convertValidated(t, doc, "warn", nil).Statement.IssueCounts {
		got[c.Expression] += c.Count
	}
	if got["Patient.gender"] != 150 || got["Bundle.total"] != 1 || got["Bundle"] != 1 {
		t.Errorf("counts %v, want 150 of Patient.gender and one each of Bundle.total and Bundle (bdl-1)", got)
	}
}

// TestRetriedEntry: what is said of an entry that is put through again names the Bundle it was
// in, not the one that carries it.
func TestRetriedEntry(t *testing.T) {
	t.Parallel()
	doc := `{"resourceType":"Bundle","type":"batch","entry":[{"search":{"mode":"match"},"resource":{"resourceType":"Patient","id":"p","gender":"x"}}]}`
	out := convertValidated(t, doc, "warn", func(c *fhirmsg.Chunk) { c.Entry, c.FirstLine = 7, 3 })
	if got, want := strings.Join(reports(out), "\n"), "+3/7 3:0 Patient/p code-invalid Bundle.entry[6].resource.gender"; got != want {
		t.Errorf("reports %q, want %q", got, want)
	}
}

// TestRetriedByteOrderMark: only a file begins with one.
func TestRetriedByteOrderMark(t *testing.T) {
	t.Parallel()
	retry := func(start int64) func(*fhirmsg.Chunk) {
		return func(c *fhirmsg.Chunk) { c.Import.Retry, c.Start = fhirmsg.ImportID{2}, start }
	}
	const line = "\ufeff" + `{"resourceType":"Patient","id":"p"}`
	if s := convertValidated(t, line, "off", retry(0)).Statement; s.Plain != 1 {
		t.Errorf("at the file's beginning: %+v", s)
	}
	if s := convertValidated(t, line, "off", retry(100)).Statement; s.Rejected != 1 {
		t.Errorf("in the middle of the file: %+v", s)
	}
}
