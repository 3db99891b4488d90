package fhirmsg

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files that are missing")

func exampleID() ImportID {
	return ImportID{0x01, 0x97, 0x7a, 0x3e, 0x5a, 0x5c, 0x7b, 0x3a, 0x9c, 0x1d, 0x2f, 0x1e, 0x0d, 0x9c, 0x8b, 0x7a}
}

func exampleImport() Import {
	asOf := int64(1750000000000000)
	return Import{
		ID: exampleID(), Issued: 1760000000000001, Supplier: "clinic-a", Dataset: "research", Mode: ModeSync, AsOf: &asOf,
		FHIRVersion: FHIRVersionR4, Rules: 1, ChunkSize: 512 << 10, MaxLine: DefaultMaxLine,
	}
}

func exampleRequest() ImportRequest {
	asOf := time.Date(2025, 6, 15, 15, 6, 40, 0, time.UTC)
	return ImportRequest{
		ID: exampleID(), Supplier: "clinic-a", Dataset: "research", Mode: ModeSync, AsOf: &asOf, ChunkSize: 512 << 10,
		Sources: []Source{{Path: "/data/in"}, {URL: "https://example.org/Patient.ndjson", Type: "Patient"}},
	}.WithDefaults()
}

// exampleValidated is an import of rules 2, which retries another one.
func exampleValidated() Import {
	imp := exampleImport()
	imp.Definitions, imp.Validation, imp.Rules = "5f0c8a", ValidationStrict, 2
	imp.Retry, imp.Accepted = ImportID{0x01, 0x97, 15: 1}, 1760000000000009
	return imp
}

// decodeRequest reads a request of a supplier that has no policy.
func decodeRequest(b []byte) (any, error) {
	r, err := DecodeImportRequest(b)
	return r.WithDefaults(), err
}

func exampleRetry() ImportRequest {
	return ImportRequest{ID: exampleID(), Retry: ImportID{0x01, 0x97, 15: 1}, Validation: ValidationStrict, MaxRejects: "2.5%", ChunkSize: 512 << 10}.WithDefaults()
}

// exampleManifest is a request for what a manifest lists.
func exampleManifest() ImportRequest {
	return ImportRequest{
		ID: exampleID(), Mode: ModeSync, ChunkSize: 2 << 20,
		Sources: []Source{{Manifest: "https://example.org/manifest.json", Headers: []Header{{Name: "X-Key", Value: "secret"}}}},
	}.WithDefaults()
}

// exampleDelivered is a request for what was delivered over NATS.
func exampleDelivered() ImportRequest {
	return ImportRequest{
		ID: exampleID(), Supplier: "clinic-a", ChunkSize: 2 << 20,
		Sources: []Source{{Delivered: &Delivered{Supplier: "clinic-a", Name: "november", Stream: 1760000000000000, First: 7, Last: 12, Messages: 5}}},
	}.WithDefaults()
}

// exampleSnapshot is a request for an import that has all, and mends another one.
func exampleSnapshot() ImportRequest {
	yes := true
	return ImportRequest{
		ID: exampleID(), ChunkSize: 2 << 20, Snapshot: &yes, SnapshotTypes: []string{"Patient", "Group"}, Mends: ImportID{0x01, 0x97, 15: 1},
		Sources: []Source{{Path: "/data/in"}},
	}.WithDefaults()
}

// exampleSnapshotStatement is the state of such an import.
func exampleSnapshotStatement() ImportStatement {
	s := exampleImportStatement()
	s.Import.Snapshot, s.Import.Mends = true, ImportID{0x01, 0x97, 15: 1}
	s.Snapshot = []byte(`{"state":"refused"}`)
	return s
}

// exampleOutcomes is a chunk of a file of outcomes that a manifest lists.
func exampleOutcomes() Chunk {
	c := exampleChunk()
	asOf := int64(1755000000000000)
	c.Import, c.Outcome, c.AsOf = exampleValidated(), true, &asOf
	return c
}

func exampleRetriedChunk() Chunk {
	c := exampleChunk()
	c.Import, c.Start, c.Entry = exampleValidated(), 123456, -3
	return c
}

func exampleIssueStatement() Statement {
	s := exampleStatement()
	s.Import = exampleValidated()
	s.IssueCounts = []IssueCount{
		{Severity: "error", Code: "structure", Expression: "Condition.context", Count: 310, Line: 7, Diagnostics: "is not an element of Condition"},
		{Severity: "error", Code: "invalid", Count: 1, Line: 9, Diagnostics: "not JSON"},
	}
	return s
}

// exampleProfiled is a statement of a chunk that was validated.
func exampleProfiled() Statement {
	s := exampleStatement()
	s.Profiles = []Profile{
		{Type: "Observation", Resources: 5, Elements: map[string]int64{"status": 5, "valueQuantity": 3}, First: "2020", Last: "2026-03-02"},
		{Type: "Patient", Resources: 1, Elements: map[string]int64{"name": 1}},
	}
	return s
}

// exampleTokens is a request whose manifest is had with a token of a server that metadata name.
func exampleTokens() ImportRequest {
	r := exampleManifest()
	r.Sources[0].OAuth = []string{"https://example.org/.well-known/smart-configuration"}
	return r
}

func exampleStored() Rejects {
	return Rejects{
		RejectsHeader: RejectsHeader{Import: exampleValidated(), Place: Place{File: 2, Offset: 4096, Length: 42}},
		Items: []Reject{{
			Line: 9, Offset: 4200, Type: "Patient", ID: "example", Stored: true,
			Issues: []Issue{{Severity: "error", Code: "value", Diagnostics: "must be a date", Expression: "Patient.birthDate", Offset: 30, Line: 9, Column: 31}},
		}},
	}
}

func exampleChunk() Chunk {
	return Chunk{
		ChunkHeader: ChunkHeader{
			Import: exampleImport(), Place: Place{File: 2, Offset: 4096, Length: 42}, FirstLine: 7, Lines: 1, Type: "Patient",
		},
		Body: []byte("{\"resourceType\":\"Patient\",\"id\":\"example\"}\n"),
	}
}

func exampleRecords() []Record {
	return []Record{
		{ID: []byte("example"), Stamp: 1750000000000000, Line: 7, Hash: HashOf([]byte("x")), Body: []byte(`{"resourceType":"Patient","id":"example"}`)},
		{ID: []byte("gone"), Stamp: -1, Line: 8, Entry: -3, Deleted: true},
		{ID: []byte("part"), Stamp: 1, Line: 1 << 40, Entry: 5, Hash: HashOf(nil), Subsetted: true, Body: []byte(`{}`)},
	}
}

func exampleBatch() Batch {
	b := Batch{BatchHeader: BatchHeader{Import: exampleImport(), Place: Place{File: 2, Offset: 4096, Length: 42}, Type: "Patient", Part: 1, Rows: 3}}
	for _, r := range exampleRecords() {
		b.Body = AppendRecord(b.Body, r)
	}
	b.Seal()
	return b
}

func exampleStatement() Statement {
	return Statement{
		Import: exampleImport(), Place: Place{File: 2, Offset: 4096, Length: 42}, Lines: 9, Blank: 1, Control: 1, Rejected: 1, Plain: 5,
		Bundles: 1, Entries: 4, EntriesRejected: 1, Ignored: 1, Clamped: 1, Issues: 2, Fingerprint: HashOf([]byte("y")),
	}
}

func exampleRejects() Rejects {
	return Rejects{
		RejectsHeader: RejectsHeader{Import: exampleImport(), Place: Place{File: 2, Offset: 4096, Length: 42}},
		Items: []Reject{{
			Line: 9, Offset: 4200, Type: "Patient", Raw: []byte("not json \xff"),
			Issues: []Issue{{Severity: "error", Code: "structure", Diagnostics: "not JSON", Offset: 3}},
		}},
	}
}

func exampleImportStatement() ImportStatement {
	files, ended := int32(2), time.Date(2025, 6, 15, 15, 7, 0, 1000, time.UTC)
	return ImportStatement{
		Import: exampleImport(), Change: 6, Request: []byte(`{"id":"x"}`), Attempt: 1, State: "failed", Reason: "1 of 2 files failed",
		Files: &files, Listed: &ended, Closed: &ended, Limited: &ended, Ended: &ended, Discarded: []int32{-1, 1},
	}
}

func exampleFileList() FileList {
	count, asOf := int64(12), time.Date(2025, 6, 15, 15, 6, 40, 0, time.UTC)
	return FileList{
		Import: exampleID(),
		Files: []ListedFile{
			{File: 1, Name: "Patient.ndjson", Type: "Patient", Locator: []byte(`{"path":"/data/Patient.ndjson"}`), Size: -1, State: "failed", Reason: "no such file"},
			{File: 2, Name: "https://ehr.example/del.ndjson", Locator: []byte(`{"url":"https://ehr.example/del.ndjson"}`), Size: 42, State: "waiting", Kind: "deleted", Count: &count, AsOf: &asOf},
		},
		Skipped: []Skipped{{Name: "README", Reason: "not ndjson"}},
	}
}

func exampleFileStatement() FileStatement {
	return FileStatement{
		Import: exampleID(), File: 1, State: "open", Reason: "x", Reading: []byte(`{"size":42}`), Size: 42, Read: 41,
		Chunks: []FetchedChunk{{Offset: 4096, Length: 42, Lines: 1}},
	}
}

func exampleWritten() Written {
	return Written{
		Batches: []WrittenBatch{
			{Import: exampleID(), File: 2, Offset: 4096, Type: "Patient", Part: 1, Fingerprint: HashOf([]byte("x")), Sequence: 7, Conflicts: 1, Foreign: 2, Rows: 3},
			{Import: exampleID(), Type: "Patient", Fingerprint: HashOf([]byte("y")), Sequence: 8, Rows: 1},
		},
		Outcomes: []byte("iu=s"),
	}
}

func exampleDatasetStatement() DatasetStatement {
	return DatasetStatement{Dataset: "research", What: DatasetDropped, At: time.Date(2025, 6, 15, 15, 7, 0, 1000, time.UTC)}
}

// decodeJSON reads a message that is JSON and nothing else.
func decodeJSON[T any](b []byte) (any, error) {
	var v T
	err := json.Unmarshal(b, &v)
	return v, err
}

// TestGolden holds the wire format: what a released version wrote must be read as the same
// message, and written again as the same bytes while the version is current.
func TestGolden(t *testing.T) {
	t.Parallel()
	mustEncode := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	rejects := exampleRejects()
	encodedRejects, rejectsID, err := rejects.Encode()
	if err != nil {
		t.Fatal(err)
	}
	stored := exampleStored()
	encodedStored, storedID, err := stored.Encode()
	if err != nil {
		t.Fatal(err)
	}
	encodedChunk, chunkID, err := exampleChunk().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	encodedRetried, retriedID, err := exampleRetriedChunk().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	encodedOutcomes, outcomesID, err := exampleOutcomes().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	written, writtenID, err := exampleWritten().Encode()
	if err != nil {
		t.Fatal(err)
	}
	importState := mustEncode(json.Marshal(exampleImportStatement()))
	snapshotState := mustEncode(json.Marshal(exampleSnapshotStatement()))
	fileList := mustEncode(json.Marshal(exampleFileList()))
	fileState := mustEncode(json.Marshal(exampleFileStatement()))
	datasetState := mustEncode(json.Marshal(exampleDatasetStatement()))
	tests := []struct {
		name, id string
		encoded  []byte // nil: this version writes it otherwise
		want     any
		decode   func([]byte) (any, error)
	}{
		{"request", exampleRequest().MessageID(), nil, exampleRequest(), decodeRequest},
		{"request-2", exampleRequest().MessageID(), mustEncode(exampleRequest().Encode()), exampleRequest(), decodeRequest},
		{"request-retry", exampleRetry().MessageID(), mustEncode(exampleRetry().Encode()), exampleRetry(), decodeRequest},
		{"request-manifest", exampleManifest().MessageID(), mustEncode(exampleManifest().Encode()), exampleManifest(), decodeRequest},
		{"request-tokens", exampleTokens().MessageID(), mustEncode(exampleTokens().Encode()), exampleTokens(), decodeRequest},
		{"request-delivered", exampleDelivered().MessageID(), mustEncode(exampleDelivered().Encode()), exampleDelivered(), decodeRequest},
		{"request-snapshot", exampleSnapshot().MessageID(), mustEncode(exampleSnapshot().Encode()), exampleSnapshot(), decodeRequest},
		{"journal-import-snapshot", JournalID(JournalImport, snapshotState), snapshotState, exampleSnapshotStatement(), decodeJSON[ImportStatement]},
		{"chunk-outcome", outcomesID, encodedOutcomes, exampleOutcomes(), func(b []byte) (any, error) { return DecodeChunk(b, nil) }},
		{"chunk-retry", retriedID, encodedRetried, exampleRetriedChunk(), func(b []byte) (any, error) { return DecodeChunk(b, nil) }},
		{"statement-issues", exampleIssueStatement().MessageID(), mustEncode(exampleIssueStatement().Encode()), exampleIssueStatement(), func(b []byte) (any, error) { return DecodeStatement(b) }},
		{"statement-profiles", exampleProfiled().MessageID(), mustEncode(exampleProfiled().Encode()), exampleProfiled(), func(b []byte) (any, error) { return DecodeStatement(b) }},
		{"rejects-stored", storedID, encodedStored, stored, func(b []byte) (any, error) { return DecodeRejects(b) }},
		{"chunk", chunkID, encodedChunk, exampleChunk(), func(b []byte) (any, error) { return DecodeChunk(b, nil) }},
		{"batch", exampleBatch().MessageID(), mustEncode(exampleBatch().Append(nil)), exampleBatch(), func(b []byte) (any, error) { return DecodeBatch(b, nil) }},
		{"statement", exampleStatement().MessageID(), mustEncode(exampleStatement().Encode()), exampleStatement(), func(b []byte) (any, error) { return DecodeStatement(b) }},
		{"journal-import", JournalID(JournalImport, importState), importState, exampleImportStatement(), decodeJSON[ImportStatement]},
		{"journal-files", JournalID(JournalFiles, fileList), fileList, exampleFileList(), decodeJSON[FileList]},
		{"journal-file", JournalID(JournalFile, fileState), fileState, exampleFileStatement(), decodeJSON[FileStatement]},
		{"journal-dataset", JournalID(JournalDataset, datasetState), datasetState, exampleDatasetStatement(), decodeJSON[DatasetStatement]},
		{"journal-written", writtenID, written, exampleWritten(), func(b []byte) (any, error) { return DecodeWritten(b) }},
		{"rejects", rejectsID, encodedRejects, rejects, func(b []byte) (any, error) { return DecodeRejects(b) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "v1", tt.name)
			if _, err := os.Stat(path + ".msg"); *update && errors.Is(err, fs.ErrNotExist) { // what was released stays
				for file, content := range map[string][]byte{path + ".msg": tt.encoded, path + ".id": []byte(tt.id)} {
					if err := os.WriteFile(file, content, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			golden, err := os.ReadFile(path + ".msg")
			if err != nil {
				t.Fatal(err)
			}
			id, err := os.ReadFile(path + ".id")
			if err != nil {
				t.Fatal(err)
			}
			got, err := tt.decode(golden)
			if err != nil {
				t.Fatalf("decode what was released: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
			if tt.encoded != nil && !bytes.Equal(golden, tt.encoded) {
				t.Errorf("encoding changed: %d bytes, released %d", len(tt.encoded), len(golden))
			}
			if string(id) != tt.id {
				t.Errorf("message id = %s, released %s", tt.id, id)
			}
		})
	}
}
