package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/key"
)

// newChunk returns a chunk of the whole of a file.
func newChunk(body string) fhirmsg.Chunk {
	lines := int64(strings.Count(body, "\n"))
	if body != "" && !strings.HasSuffix(body, "\n") {
		lines++
	}
	return fhirmsg.Chunk{
		ChunkHeader: fhirmsg.ChunkHeader{
			Import: fhirmsg.Import{
				ID: fhirmsg.ImportID{1}, Issued: 1_760_000_000_000_001, Supplier: "clinic-a", Dataset: "fhir", Mode: fhirmsg.ModeSync,
				FHIRVersion: fhirmsg.FHIRVersionR4, Rules: Rules, ChunkSize: fhirmsg.DefaultChunkSize, MaxLine: fhirmsg.DefaultMaxLine,
			},
			Place: fhirmsg.Place{File: 3, Length: int64(len(body))}, FirstLine: 1, Lines: lines,
		},
		Body: []byte(body),
	}
}

// mustConvert converts and checks what holds for every chunk.
func mustConvert(t testing.TB, p *Parser, c fhirmsg.Chunk) Output {
	t.Helper()
	out, err := p.Convert(c)
	if err != nil {
		t.Fatal(err)
	}
	checkOutput(t, c, out)
	return out
}

// checkOutput: the equations of the ledger, and that messages say of themselves what is so.
func checkOutput(t testing.TB, c fhirmsg.Chunk, out Output) {
	t.Helper()
	s := out.Statement
	if s.Lines != c.Lines || s.Lines != s.Blank+s.Control+s.Rejected+s.Plain+s.Bundles {
		t.Errorf("lines do not add up: %+v", s)
	}
	var rows, items, lineRejects int64
	parts := map[string]int{}
	for _, b := range out.Batches {
		if b.Part != parts[b.Type] {
			t.Errorf("part %d of %s, want %d", b.Part, b.Type, parts[b.Type])
		}
		parts[b.Type]++
		sealed := b
		sealed.Seal()
		if b.Import.ID != c.Import.ID || b.Place != c.Place || b.BatchHeader != sealed.BatchHeader || b.Bytes != len(b.Body) {
			t.Errorf("batch's header: %+v", b.BatchHeader)
		}
		n := 0
		for r, err := range b.Records() {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if key.Fault(r.ID) != "" || r.Line < c.FirstLine || r.Line >= c.FirstLine+c.Lines || r.Deleted != (len(r.Body) == 0) || r.Stamp > c.Import.Issued {
				t.Errorf("record of %d bytes, line %d, entry %d, deleted %v", len(r.Body), r.Line, r.Entry, r.Deleted)
			}
		}
		if n != b.Rows || n == 0 {
			t.Errorf("%d records, header says %d", n, b.Rows)
		}
		rows += int64(n)
	}
	for i, r := range out.Rejects {
		fingerprint := r.Fingerprint
		if _, _, err := r.Encode(); err != nil || fingerprint != r.Fingerprint || r.Part != i {
			t.Errorf("rejects %d: part %d, fingerprint %s, encoded %s, %v", i, r.Part, fingerprint, r.Fingerprint, err)
		}
		for _, item := range r.Items {
			switch {
			case item.Stored && item.Raw != nil:
				t.Errorf("line %d is stored and in a report", item.Line)
			case item.Stored:
			case item.Entry == 0:
				lineRejects++
				fallthrough
			default:
				items++
			}
			if len(item.Issues) == 0 || item.Issues[0].Diagnostics == "" || item.Issues[0].Code == "" || item.Line < c.FirstLine {
				t.Errorf("reject without a reason: line %d, %+v", item.Line, item.Issues)
			}
		}
	}
	if s.Plain+s.Entries != s.EntriesRejected+s.Ignored+rows || items != s.Rejected+s.EntriesRejected || lineRejects != s.Rejected {
		t.Errorf("resources do not add up: %d rows, %d rejects, %+v", rows, items, s)
	}
}

// describe shows records and rejects in a line each.
func describe(out Output) (records, rejected []string) {
	for _, b := range out.Batches {
		for r := range b.Records() {
			text := fmt.Sprintf("%d/%d %s/%s", r.Line, r.Entry, b.Type, r.ID)
			if r.Deleted {
				text += " deleted"
			}
			if r.Subsetted {
				text += " subsetted"
			}
			records = append(records, text)
		}
	}
	for _, group := range out.Rejects {
		for _, r := range group.Items {
			if r.Stored {
				continue
			}
			rejected = append(rejected, fmt.Sprintf("%d/%d @%d+%d %s %s/%s %s", r.Line, r.Entry, r.Offset, r.Issues[0].Offset, r.Issues[0].Code, r.Type, r.ID, r.Raw))
		}
	}
	return records, rejected
}

func TestConvert(t *testing.T) {
	t.Parallel()
	const p1, o1 = `{"resourceType":"Patient","id":"p1"}`, `{"resourceType":"Observation","id":"o1"}`
	tests := []struct {
		name, body string
		change     func(*fhirmsg.Chunk)
		records    []string
		rejects    []string
		counts     fhirmsg.Statement // Lines is not compared here
	}{
		{name: "nothing"},
		{name: "plain", body: p1 + "\n" + o1 + "\n" + p1 + "\n", records: []string{"1/0 Patient/p1", "3/0 Patient/p1", "2/0 Observation/o1"}, counts: fhirmsg.Statement{Plain: 3}},
		{name: "no last newline", body: p1 + "\n" + o1, records: []string{"1/0 Patient/p1", "2/0 Observation/o1"}, counts: fhirmsg.Statement{Plain: 2}},
		{name: "CRLF, blank lines, a mark", body: "\ufeff" + p1 + "\r\n\r\n\n \t\n" + o1 + "\r\n\r", records: []string{"1/0 Patient/p1", "5/0 Observation/o1"},
			counts: fhirmsg.Statement{Plain: 2, Blank: 4}},
		{name: "a mark alone", body: "\ufeff", counts: fhirmsg.Statement{Blank: 1}},
		{name: "a mark elsewhere", body: p1 + "\n\ufeff{}", records: []string{"1/0 Patient/p1"}, rejects: []string{"2/0 @37+0 structure / \ufeff{}"}, counts: fhirmsg.Statement{Plain: 1, Rejected: 1}},
		{name: "a mark in a later chunk", body: "\ufeff{}", change: func(c *fhirmsg.Chunk) { c.Offset, c.FirstLine = 1000, 8 },
			rejects: []string{"8/0 @1000+0 structure / \ufeff{}"}, counts: fhirmsg.Statement{Rejected: 1}},
		{name: "later chunk", body: p1 + "\n{}\n", change: func(c *fhirmsg.Chunk) { c.Offset, c.FirstLine = 1000, 8 },
			records: []string{"8/0 Patient/p1"}, rejects: []string{"9/0 @1037+0 structure / {}"}, counts: fhirmsg.Statement{Plain: 1, Rejected: 1}},
		{name: "offset behind a mark", body: "\ufeff \nx\r\n", rejects: []string{"2/0 @5+0 structure / x"}, counts: fhirmsg.Statement{Blank: 1, Rejected: 1}},
		{name: "rejects", body: `{"resourceType":"Patient","id":"p1"` + "\n" + `{"resourceType":"Patient","id":"p/1"}` + "\n" + `{"resourceType":"Patient"}` + "\n" + `{"resourceType":"Pat","id":"p1"}` + "\n[]",
			rejects: []string{`1/0 @0+35 structure Patient/p1 {"resourceType":"Patient","id":"p1"`, `2/0 @36+31 value Patient/ {"resourceType":"Patient","id":"p/1"}`,
				`3/0 @74+0 required Patient/ {"resourceType":"Patient"}`, `4/0 @101+16 value / {"resourceType":"Pat","id":"p1"}`, `5/0 @134+0 structure / []`},
			counts: fhirmsg.Statement{Rejected: 5}},
		{name: "control", body: `{"resourceType":"Parameters","parameter":[{"name":"header","valueReference":{"reference":"Patient/1"}}]}` + "\n" +
			`{"resourceType":"Parameters","id":"q","parameter":[{"name":"header"}]}` + "\n" + `{"resourceType":"Parameters","parameter":[{"name":"other"}]}`,
			records: []string{"2/0 Parameters/q"}, rejects: []string{`3/0 @176+0 required Parameters/ {"resourceType":"Parameters","parameter":[{"name":"other"}]}`},
			counts: fhirmsg.Statement{Control: 1, Plain: 1, Rejected: 1}},
		{name: "subsetted", body: `{"resourceType":"Patient","id":"p1","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`,
			records: []string{"1/0 Patient/p1 subsetted"}, counts: fhirmsg.Statement{Plain: 1}},
		{name: "incomplete by what was asked for", body: p1 + "\n" + o1 + "\n" + `{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient/p1"}},{"request":{"method":"DELETE","url":"Patient/p2"}}]}`,
			change: func(c *fhirmsg.Chunk) { c.Subsetted = []string{"Patient"} }, records: []string{"1/0 Patient/p1 subsetted", "3/1 Patient/p1 subsetted", "3/2 Patient/p2 deleted", "2/0 Observation/o1"},
			counts: fhirmsg.Statement{Plain: 2, Bundles: 1, Entries: 2}},
		{name: "all incomplete", body: o1, change: func(c *fhirmsg.Chunk) { c.Subsetted = []string{"*"} }, records: []string{"1/0 Observation/o1 subsetted"}, counts: fhirmsg.Statement{Plain: 1}},
		{name: "issues", body: `{"resourceType":"Patient","id":"p_1","meta":{"lastUpdated":"yesterday"}}` + "\n" + `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":7}}`,
			records: []string{"1/0 Patient/p_1", "2/0 Patient/p1"}, counts: fhirmsg.Statement{Plain: 2, Issues: 3}},
		{name: "clamped", body: `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2999-01-01T00:00:00Z"}}`, records: []string{"1/0 Patient/p1"}, counts: fhirmsg.Statement{Plain: 1, Clamped: 1}},
		{name: "transaction", body: `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + p1 + `,"request":{"method":"PUT","url":"Patient/p1"}},{"request":{"method":"DELETE","url":"Patient/p2"}},{"request":{"method":"GET","url":"Patient/p3"}},{"request":{"method":"PATCH","url":"Patient/p3"}}]}` + "\n" + p1,
			records: []string{"1/1 Patient/p1", "1/2 Patient/p2 deleted", "2/0 Patient/p1"},
			rejects: []string{`1/4 @0+271 not-supported / {"request":{"method":"PATCH","url":"Patient/p3"}}`},
			counts:  fhirmsg.Statement{Bundles: 1, Plain: 1, Entries: 4, Ignored: 1, EntriesRejected: 1}},
		{name: "history", body: `{"resourceType":"Bundle","type":"history","entry":[{"resource":` + p1 + `},{"resource":` + p1 + `}]}`,
			records: []string{"1/-1 Patient/p1", "1/-2 Patient/p1"}, counts: fhirmsg.Statement{Bundles: 1, Entries: 2}},
		{name: "whole Bundles", body: `{"resourceType":"Bundle","type":"document","id":"b1","entry":[{"resource":` + p1 + `}]}` + "\n" + `{"resourceType":"Bundle","type":"message","id":"b2"}` + "\n" + `{"resourceType":"Bundle","type":"document"}`,
			records: []string{"1/0 Bundle/b1", "2/0 Bundle/b2"}, rejects: []string{`3/0 @167+0 required Bundle/ {"resourceType":"Bundle","type":"document"}`}, counts: fhirmsg.Statement{Plain: 2, Rejected: 1}},
		{name: "file of Bundles", body: `{"resourceType":"Bundle","type":"batch","id":"b1","entry":[{"resource":` + p1 + `}]}` + "\n" + `{"resourceType":"Bundle","id":"b2"}`,
			change: func(c *fhirmsg.Chunk) { c.Type = "Bundle" }, records: []string{"1/0 Bundle/b1", "2/0 Bundle/b2"}, counts: fhirmsg.Statement{Plain: 2}},
		{name: "Bundle that cannot be taken", body: `{"resourceType":"Bundle","id":"b"}`, rejects: []string{`1/0 @0+0 required Bundle/b {"resourceType":"Bundle","id":"b"}`}, counts: fhirmsg.Statement{Rejected: 1}},
		{name: "Bundle whose entry is no array", body: `{"resourceType":"Bundle","type":"batch","entry":7}`, rejects: []string{`1/0 @0+48 structure Bundle/ {"resourceType":"Bundle","type":"batch","entry":7}`}, counts: fhirmsg.Statement{Rejected: 1}},
		{name: "document", body: "\ufeff\n{\n \"resourceType\": \"Patient\",\r\n \"id\": \"p1\"\n}\n\n", change: func(c *fhirmsg.Chunk) { c.Document, c.Lines = true, 1 },
			records: []string{"1/0 Patient/p1"}, counts: fhirmsg.Statement{Plain: 1}},
		{name: "broken document", body: "{\n1", change: func(c *fhirmsg.Chunk) { c.Document, c.Lines = true, 1 }, rejects: []string{"1/0 @0+2 structure / {\n1"}, counts: fhirmsg.Statement{Rejected: 1}},
		{name: "empty document", body: " \n", change: func(c *fhirmsg.Chunk) { c.Document, c.Lines = true, 1 }, counts: fhirmsg.Statement{Blank: 1}},
		{name: "too long", body: `{"resourceType":"Patient","id`, change: func(c *fhirmsg.Chunk) { c.TooLong, c.Offset, c.FirstLine, c.Length = true, 50, 4, 1<<30 },
			rejects: []string{`4/0 @50+0 too-long / {"resourceType":"Patient","id`}, counts: fhirmsg.Statement{Rejected: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newChunk(tt.body)
			if tt.change != nil {
				tt.change(&c)
			}
			out := mustConvert(t, New(Options{}), c)
			records, rejected := describe(out)
			if got, want := strings.Join(records, "\n"), strings.Join(tt.records, "\n"); got != want {
				t.Errorf("records\n%s\nwant\n%s", got, want)
			}
			if got, want := strings.Join(rejected, "\n"), strings.Join(tt.rejects, "\n"); got != want {
				t.Errorf("rejects\n%s\nwant\n%s", got, want)
			}
			got := out.Statement
			got.Import, got.Place, got.Lines, got.Fingerprint = fhirmsg.Import{}, fhirmsg.Place{}, 0, fhirmsg.Hash{}
			got.IssueCounts = nil
			if !reflect.DeepEqual(got, tt.counts) {
				t.Errorf("counts %+v\nwant   %+v", got, tt.counts)
			}
			if c.TooLong != (len(out.Rejects) > 0 && out.Rejects[0].Items[0].Cut) {
				t.Error("what is cut is not said to be")
			}
		})
	}
}

// TestBodyIsKept: a body is stored as it came, and its hash ignores white space.
func TestBodyIsKept(t *testing.T) {
	t.Parallel()
	const compact, spaced = `{"resourceType":"Patient","id":"p1","x":1.50e+1}`, "{ \"resourceType\":\"Patient\",\t\"id\":\"p1\", \"x\":1.50e+1 }"
	out := mustConvert(t, New(Options{}), newChunk(compact+"\n \t"+spaced+" \r\n"))
	want := []string{compact, spaced}
	for _, b := range out.Batches {
		i := 0
		for r := range b.Records() {
			if string(r.Body) != want[i] || r.Hash != fhirmsg.HashOf([]byte(compact)) {
				t.Errorf("body %q, hash %s; want %q", r.Body, r.Hash, want[i])
			}
			i++
		}
	}
}

func TestStamps(t *testing.T) {
	t.Parallel()
	asOf := int64(1_700_000_000_000_000)
	const updated, modified = int64(1_577_836_800_000_000), int64(1_609_459_200_000_000)
	const (
		plain = `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2020-01-01T00:00:00Z"}}`
		none  = `{"resourceType":"Patient","id":"p1"}`
		bad   = `{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2020"}}`
	)
	history := func(resource string) string {
		return `{"resourceType":"Bundle","type":"history","entry":[{"resource":` + resource + `,"response":{"status":"200","lastModified":"2021-01-01T00:00:00Z"}}]}`
	}
	deletion := `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":"Patient/p1"},"response":{"status":"204","lastModified":"2021-01-01T00:00:00Z"}}]}`
	issued := newChunk("").Import.Issued
	tests := []struct {
		name, body string
		mode       fhirmsg.Mode
		asOf       *int64
		want       int64
	}{
		{"overwrite", plain, fhirmsg.ModeOverwrite, nil, issued},
		{"sync", plain, fhirmsg.ModeSync, &asOf, updated},
		{"sync, no date", none, fhirmsg.ModeSync, &asOf, asOf},
		{"sync, a bad date", bad, fhirmsg.ModeSync, &asOf, asOf},
		{"sync, nothing", none, fhirmsg.ModeSync, nil, issued},
		{"history", history(plain), fhirmsg.ModeSync, &asOf, updated},
		{"history, no date", history(none), fhirmsg.ModeSync, &asOf, modified},
		{"history, a bad date", history(bad), fhirmsg.ModeSync, &asOf, modified},
		{"deletion", deletion, fhirmsg.ModeSync, &asOf, modified},
		{"deletion, overwrite", deletion, fhirmsg.ModeOverwrite, nil, issued},
	}
	for _, tt := range tests {
		c := newChunk(tt.body)
		c.Import.Mode, c.Import.AsOf = tt.mode, tt.asOf
		for _, b := range mustConvert(t, New(Options{}), c).Batches {
			for r := range b.Records() {
				if r.Stamp != tt.want {
					t.Errorf("%s: stamp %d, want %d", tt.name, r.Stamp, tt.want)
				}
			}
		}
	}
}

// TestParts: batches and rejects are cut at the limit, and only there.
func TestParts(t *testing.T) {
	t.Parallel()
	for rules, share := range map[int]int{5: 1, 6: smallShare} {
		t.Run(fmt.Sprint("rules ", rules), func(t *testing.T) {
			t.Parallel()
			testParts(t, rules, share)
		})
	}
}

func testParts(t *testing.T, rules, share int) {
	t.Helper()
	const limit, lines = 4 << 10, 600
	var body strings.Builder
	for i := range lines {
		text := strings.Repeat("x", 50+i%7)
		if i == 100 {
			text = strings.Repeat("y", smallRecord)
		}
		fmt.Fprintf(&body, "{\"resourceType\":\"Patient\",\"id\":\"p%d\",\"text\":\"%s\"}\n{\"text\":\"%s\"}\n", i, text, text)
	}
	c := newChunk(body.String())
	c.Import.Rules = rules
	out := mustConvert(t, New(Options{MaxBatchBytes: limit}), c)
	if out.Statement.Plain != lines || out.Statement.Rejected != lines {
		t.Errorf("counts %+v", out.Statement)
	}
	most, large := limit*share, 0
	for i, b := range out.Batches {
		if len(b.Body) > most {
			large++
			if b.Rows != 1 {
				t.Errorf("batch of %d bytes has %d rows", len(b.Body), b.Rows)
			}
		} else if len(b.Body) < most/2 && i+1 < len(out.Batches) && len(out.Batches[i+1].Body) <= most {
			t.Errorf("batch %d of %d has %d bytes", i, len(out.Batches), len(b.Body))
		}
	}
	if large != 1 {
		t.Errorf("%d batches above the limit, want 1", large)
	}
	large = 0
	for _, r := range out.Rejects {
		encoded, err := json.Marshal(r.Items)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > limit {
			large++
		}
	}
	if large != 1 || len(out.Rejects) < 10 {
		t.Errorf("%d of %d groups of rejects above the limit, want 1 of many", large, len(out.Rejects))
	}
}

// TestErrors: what must not happen is not passed over.
func TestErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*fhirmsg.Chunk)
		want   error // nil is any
	}{
		{"more lines than said", func(c *fhirmsg.Chunk) { c.Lines = 1 }, nil},
		{"fewer lines than said", func(c *fhirmsg.Chunk) { c.Lines = 3 }, nil},
		{"document of two lines", func(c *fhirmsg.Chunk) { c.Document = true }, nil},
		{"FHIR version", func(c *fhirmsg.Chunk) { c.Import.FHIRVersion = "5.0.0" }, ErrUnsupported},
		{"later rules", func(c *fhirmsg.Chunk) { c.Import.Rules = Rules + 1 }, ErrUnsupported},
	}
	p := New(Options{})
	const body = `{"resourceType":"Patient","id":"secret"}` + "\n" + `{"resourceType":"Patient","id":"secret"}`
	for _, tt := range tests {
		c := newChunk(body)
		tt.change(&c)
		_, err := p.Convert(c)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// And the parser is as good as new.
	if out := mustConvert(t, p, newChunk(body)); out.Statement.Plain != 2 || len(out.Batches) != 1 || out.Batches[0].Rows != 2 {
		t.Errorf("after errors: %+v", out.Statement)
	}
}

// TestDeterminism: the same chunk gives the same messages, whatever the parser did before.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	const body = `{"resourceType":"Patient","id":"p1"}
{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"}},"request":{"method":"POST","url":"Observation"}}]}
nothing
{"resourceType":"Observation","id":"o1"}
`
	used := New(Options{})
	want := encodeAll(t, mustConvert(t, used, newChunk(body)))
	mustConvert(t, used, newChunk(strings.Repeat(`{"resourceType":"Device","id":"d1"}`+"\n", 1000)))
	for _, p := range []*Parser{used, New(Options{})} {
		if got := encodeAll(t, mustConvert(t, p, newChunk(body))); !bytes.Equal(got, want) {
			t.Error("other messages for the same chunk")
		}
	}
}

// encodeAll returns all messages and their ids.
func encodeAll(t testing.TB, out Output) []byte {
	t.Helper()
	var all bytes.Buffer
	put := func(id string, msg []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %x\n", id, msg)
	}
	for _, b := range out.Batches {
		msg, err := b.Append(nil)
		put(b.MessageID(), msg, err)
	}
	for _, r := range out.Rejects {
		msg, id, err := r.Encode()
		put(id, msg, err)
	}
	msg, err := out.Statement.Encode()
	put(out.Statement.MessageID(), msg, err)
	return all.Bytes()
}
