package fhirmsg

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
)

func TestRecordsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	var got []Record
	for r, err := range exampleBatch().Records() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(exampleRecords(), got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestUnknownFields: a field that a later version adds is passed over.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	record := appendBytes(nil, tagID, []byte("a"))
	record = append(record, 12<<3|wireVarint, 0x96, 0x01)                 // a number
	record = append(record, 11<<3|wireFixed64, 1, 2, 3, 4, 5, 6, 7, 8)    // 8 bytes
	record = append(record, 0xa5, 0x01, 1, 2, 3, 4)                       // field 20, 4 bytes
	record = appendBytes(record, 13<<3|wireBytes, []byte("later things")) // bytes
	record = append(record, tagLine, 5)
	body := append([]byte{byte(len(record))}, record...)
	for r, err := range (Batch{Body: body}).Records() {
		if err != nil {
			t.Fatal(err)
		}
		if string(r.ID) != "a" || r.Line != 5 {
			t.Errorf("got id %q line %d, want a, 5", r.ID, r.Line)
		}
	}
	var header ChunkHeader
	msg, err := AppendEnvelope(nil, map[string]any{"file": 3, "later": true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeEnvelope(msg, &header, nil); err != nil || header.File != 3 {
		t.Errorf("header with an unknown field: file %d, %v", header.File, err)
	}
}

func TestVersionOrder(t *testing.T) {
	t.Parallel()
	// Each is greater than the one before.
	ascending := []Version{
		{Stamp: 1, Issued: 9, Ordinal: Ordinal{9, 9, 9}},
		{Stamp: 2, Issued: 1, Ordinal: Ordinal{9, 9, 9}},
		{Stamp: 2, Issued: 2, Ordinal: Ordinal{0, 9, 9}},
		{Stamp: 2, Issued: 2, Ordinal: Ordinal{1, 1, -2}}, // history: the second entry is older …
		{Stamp: 2, Issued: 2, Ordinal: Ordinal{1, 1, -1}}, // … than the first
		{Stamp: 2, Issued: 2, Ordinal: Ordinal{1, 1, 1}},
		{Stamp: 2, Issued: 2, Ordinal: Ordinal{1, 1, 2}},
		{Stamp: 2, Issued: 2, Ordinal: Ordinal{1, 2, 0}},
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	at := func(v int64) *int64 { return &v }
	tests := []struct {
		name              string
		mode              Mode
		lastUpdated, asOf *int64
		want              int64
		clamped           bool
	}{
		{"overwrite ignores dates", ModeOverwrite, at(5), at(6), 100, false},
		{"sync takes lastUpdated", ModeSync, at(5), at(6), 5, false},
		{"sync without lastUpdated takes as-of", ModeSync, nil, at(6), 6, false},
		{"sync without both takes issued", ModeSync, nil, nil, 100, false},
		{"the future is clamped", ModeSync, at(101), nil, 100, true},
		{"now is not the future", ModeSync, at(100), nil, 100, false},
	}
	for _, tt := range tests {
		got, clamped := Stamp(tt.mode, tt.lastUpdated, tt.asOf, 100)
		if got != tt.want || clamped != tt.clamped {
			t.Errorf("%s: %d, %v; want %d, %v", tt.name, got, clamped, tt.want, tt.clamped)
		}
	}
}

func TestImportID(t *testing.T) {
	t.Parallel()
	id, err := NewImportID(time.UnixMilli(1750000000000), bytes.NewReader(make([]byte, 10)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := id.String(), "01977420-dc00-7000-8000-000000000000"; got != want {
		t.Errorf("id = %s, want %s", got, want)
	}
	back, err := ParseImportID(id.String())
	if err != nil || back != id {
		t.Errorf("ParseImportID = %v, %v", back, err)
	}
	for _, bad := range []string{"", "x", strings.Repeat("0", 36), "01977420-dc00-7000-8000-00000000000g"} {
		if _, err := ParseImportID(bad); err == nil {
			t.Errorf("ParseImportID(%q) succeeded", bad)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"fhir", "clinic-a", "a_1"} {
		if err := CheckDataset(good); err != nil {
			t.Errorf("CheckDataset(%q): %v", good, err)
		}
	}
	for _, bad := range []string{"", "A", "1a", "a.b", "a b", "a*", "ü", "stoker", "public", "pg_x", "information_schema", strings.Repeat("a", 49)} {
		if err := CheckDataset(bad); err == nil {
			t.Errorf("CheckDataset(%q) succeeded", bad)
		}
	}
}

func TestRequestCheck(t *testing.T) {
	t.Parallel()
	bad := ImportRequest{Attempt: 3_000_000_000, Base: "https://a.example/" + strings.Repeat("x", MaxURL), Supplier: "A", Dataset: "public", Mode: "x", FHIRVersion: "9", Validation: "lax", MaxRejects: "many", ChunkSize: 1, MaxLine: 1, Sources: []Source{{}}}
	err := bad.Check()
	if err == nil {
		t.Fatal("a request full of mistakes passed")
	}
	for _, want := range []string{"id:", "attempt:", "base:", "supplier:", "dataset:", "mode", "fhir_version", "validation", "max_rejects", "chunk_size", "max_line", "sources[0]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s:\n%v", want, err)
		}
	}
}

// TestManySources: a request may have so many sources, and whoever has something wrong in each is told of some. It is not parallel, to
// measure what it takes itself.
func TestManySources(t *testing.T) {
	request := func(n int, source string) []byte {
		return []byte(`{"id":"01890a5d-ac96-774b-bcce-b302099a8057","sources":[` + source + strings.Repeat(","+source, n-1) + `]}`)
	}
	if r, err := DecodeImportRequest(request(MaxSources, `{"path":"/a"}`)); err != nil || len(r.Sources) != MaxSources {
		t.Errorf("%d sources, %v", len(r.Sources), err)
	}
	_, err := DecodeImportRequest(request(MaxSources, `{}`))
	if n := strings.Count(fmt.Sprint(err), "sources["); n != maxProblems {
		t.Errorf("told of %d sources: %v", n, err)
	}
	if err := (ImportRequest{Sources: make([]Source, MaxSources+1)}).Check(); strings.Contains(fmt.Sprint(err), "sources[") || !errors.Is(err, errSources) {
		t.Errorf("one too many: %v", err)
	}
	many := request(1_000_000, `{}`)
	many = append(many[:len(many)-1], `,"sources":[]}`...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = DecodeImportRequest(many)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, errSources) || took > 1<<20 {
		t.Errorf("a million: %v, after %d bytes", err, took)
	}
}

func TestRetryHasNoSources(t *testing.T) {
	t.Parallel()
	retry := ImportRequest{ID: ImportID{1}, Retry: ImportID{2}}.WithDefaults()
	if err := retry.Check(); err != nil {
		t.Error(err)
	}
	retry.Sources = []Source{{Path: "/data"}}
	if err := retry.Check(); err == nil {
		t.Error("a retry with sources passed")
	}
	if err := (ImportRequest{ID: ImportID{1}, Retry: ImportID{1}}).WithDefaults().Check(); err == nil {
		t.Error("an import that retries itself passed")
	}
}

func TestRejectLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		limit          string
		rejected, seen int64
		passed         bool
	}{
		{"", 999, 999, false}, // a share counts later
		{"", 101, 1000, true},
		{"", 100, 1000, false},
		{"10%", 100_000_001, 1_000_000_000, true},
		{"2.5%", 25, 1000, false},
		{"2.5%", 26, 1000, true},
		{"100%", 5000, 5000, false},
		{"0", 0, 5000, false},
		{"0", 1, 1, true},
		{"30", 30, 31, false},
		{"30", 31, 31, true},
		{"off", 5000, 5000, false},
	}
	for _, tt := range tests {
		limit, err := ParseRejectLimit(tt.limit)
		if err != nil {
			t.Errorf("%q: %v", tt.limit, err)
			continue
		}
		if got := limit.Passed(tt.rejected, tt.seen); got != tt.passed {
			t.Errorf("%q passed by %d of %d: %v, want %v", tt.limit, tt.rejected, tt.seen, got, tt.passed)
		}
	}
	for _, bad := range []string{"-1", "0%", "101%", "1e3", "x", "%", "NaN%", "10 percent", "Off"} {
		if limit, err := ParseRejectLimit(bad); err == nil {
			t.Errorf("ParseRejectLimit(%q) = %+v", bad, limit)
		}
	}
}

func TestDeleteLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit    string
		n, of    int64
		exceeded bool
	}{
		{"", 1, 20, false}, {"", 1, 19, true}, {"", 0, 0, false}, {"", 51, 1000, true},
		{"0", 0, 10, false}, {"0", 1, 1_000_000, true}, {"7", 7, 7, false}, {"7", 8, 1000, true}, {"100%", 5, 5, false}, {"off", 5, 5, false},
	} {
		limit, err := ParseDeleteLimit(tt.limit)
		if err != nil || limit.Exceeded(tt.n, tt.of) != tt.exceeded {
			t.Errorf("%q by %d of %d: exceeded is not %v (%v)", tt.limit, tt.n, tt.of, tt.exceeded, err)
		}
	}
}

// TestSnapshotRequest: what cannot be is refused, and only a snapshot has a limit by default.
func TestSnapshotRequest(t *testing.T) {
	t.Parallel()
	yes := true
	good := ImportRequest{ID: ImportID{1}, Sources: []Source{{Path: "/x"}}, Snapshot: &yes}
	if r := good.WithDefaults(); r.MaxDeletes != DefaultMaxDeletes || r.Check() != nil {
		t.Errorf("%+v: %v", r, r.Check())
	}
	for name, change := range map[string]func(*ImportRequest){
		"max_deletes":       func(r *ImportRequest) { r.MaxDeletes = "many" },
		"snapshot_types[1]": func(r *ImportRequest) { r.SnapshotTypes = []string{"Patient", "x'; --"} },
		"snapshot_types:":   func(r *ImportRequest) { r.SnapshotTypes = make([]string, 1000) },
		"snapshot: a retry": func(r *ImportRequest) { r.Sources, r.Retry = nil, ImportID{2} },
		"mends":             func(r *ImportRequest) { r.Mends = r.ID },
	} {
		bad := good
		change(&bad)
		if err := bad.WithDefaults().Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnvelopeRefusesGarbage(t *testing.T) {
	t.Parallel()
	good, _, err := exampleChunk().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		if _, err := DecodeChunk(good[:i], nil); !errors.Is(err, ErrEnvelope) {
			t.Fatalf("cut at %d of %d: %v, want ErrEnvelope", i, len(good), err)
		}
	}
}

// claimsMuch tells messages whose body is said to be over a megabyte. A reader allocates what
// is claimed, up to MaxBody, which is right for a line of that size and too slow to fuzz.
func claimsMuch(msg []byte) bool {
	packed, err := decodeHeader(msg, &struct{}{})
	if err != nil {
		return false
	}
	n, err := s2.DecodedLen(packed)
	return err == nil && n > 1<<20
}

func FuzzDecodeBatch(f *testing.F) {
	seed, err := exampleBatch().Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, msg []byte) {
		if claimsMuch(msg) {
			return
		}
		b, err := DecodeBatch(msg, nil)
		if err != nil {
			return
		}
		for range b.Records() {
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add(exampleBatch().Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		var again []byte
		for r, err := range (Batch{Body: body}).Records() {
			if err != nil {
				return
			}
			again = AppendRecord(again, r)
		}
		// What was read and is written again is read as the same.
		var first, second []Record
		for r := range (Batch{Body: body}).Records() {
			first = append(first, r)
		}
		for r, err := range (Batch{Body: again}).Records() {
			if err != nil {
				t.Fatal(err)
			}
			second = append(second, r)
		}
		if diff := cmp.Diff(first, second, cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecodeMessages(f *testing.F) {
	chunk, _, err := exampleChunk().Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	rejects := exampleRejects()
	group, _, err := rejects.Encode()
	if err != nil {
		f.Fatal(err)
	}
	statement, err := exampleStatement().Encode()
	if err != nil {
		f.Fatal(err)
	}
	request, err := exampleRequest().Encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{chunk, group, statement, request} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, msg []byte) {
		if claimsMuch(msg) {
			return
		}
		_, _ = DecodeChunk(msg, nil)
		_, _ = DecodeRejects(msg)
		_, _ = DecodeStatement(msg)
		_, _ = DecodeImportRequest(msg)
	})
}
