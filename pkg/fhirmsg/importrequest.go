package fhirmsg

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Limits and defaults of an import.
const (
	DefaultChunkSize = 2 << 20 // bytes of ndjson in a chunk, before compression
	MinChunkSize     = 1 << 10
	MaxChunkSize     = 8 << 20
	DefaultMaxLine   = 64 << 20  // bytes of a line; a longer one is rejected
	MaxMaxLine       = 256 << 20 // PostgreSQL holds no longer jsonb
	DefaultDataset   = "fhir"
	DefaultSupplier  = "local"
	FHIRVersionR4    = "4.0.1"
	MaxAttempt       = 1_000_000 // how often an import is resumed
	MaxSources       = 10_000    // of a request
)

// ImportRequest asks for an import: one delivery for one dataset. It is published as JSON
// on [FetchSubject]; a request published again under the same ID changes nothing.
type ImportRequest struct {
	ID          ImportID   `json:"id"`
	Attempt     int        `json:"attempt,omitempty"` // 0 at first; counts how often it was resumed
	Supplier    string     `json:"supplier"`
	Dataset     string     `json:"dataset"`
	Mode        Mode       `json:"mode"`
	AsOf        *time.Time `json:"as_of,omitempty"` // mode sync: the stamp of what has no meta.lastUpdated
	FHIRVersion string     `json:"fhir_version,omitempty"`
	Validation  Validation `json:"validation,omitempty"`
	MaxRejects  string     `json:"max_rejects,omitempty"` // see [ParseRejectLimit]
	ChunkSize   int        `json:"chunk_size,omitempty"`
	MaxLine     int        `json:"max_line,omitempty"`
	Base        string     `json:"base,omitempty"` // URL of the FHIR server that the resources come from; see [Import.Base]
	Sources     []Source   `json:"sources,omitempty"`

	// Retry is an import that ended; what was rejected of it is put through again, under its
	// original version. Only ID, Validation and MaxRejects count besides; there are no sources.
	Retry ImportID `json:"retry,omitzero"`

	// Snapshot says whether the delivery has all that its supplier has, so that what it lacks is
	// deleted; nil is as the supplier's policy says, and else not. SnapshotTypes limits that to resource types.
	// MaxDeletes is how much may be deleted by it, see [ParseDeleteLimit].
	Snapshot      *bool    `json:"snapshot,omitempty"`
	SnapshotTypes []string `json:"snapshot_types,omitempty"`
	MaxDeletes    string   `json:"max_deletes,omitempty"`

	// Mends is an import of the same supplier whose rejects this one delivers anew.
	Mends ImportID `json:"mends,omitzero"`
}

// IsSnapshot reports whether the request says that the delivery has all that its supplier has.
func (r ImportRequest) IsSnapshot() bool { return r.Snapshot != nil && *r.Snapshot }

// WithDefaults fills in what the request leaves open.
func (r ImportRequest) WithDefaults() ImportRequest {
	if r.Supplier == "" {
		r.Supplier = DefaultSupplier
	}
	if r.Dataset == "" {
		r.Dataset = DefaultDataset
	}
	if r.Mode == "" {
		r.Mode = ModeOverwrite
	}
	if r.FHIRVersion == "" {
		r.FHIRVersion = FHIRVersionR4
	}
	if r.Validation == "" {
		r.Validation = ValidationWarn
	}
	if r.MaxRejects == "" {
		r.MaxRejects = DefaultMaxRejects
	}
	if r.MaxDeletes == "" && r.IsSnapshot() {
		r.MaxDeletes = DefaultMaxDeletes
	}
	if r.ChunkSize == 0 {
		r.ChunkSize = DefaultChunkSize
	}
	if r.MaxLine == 0 {
		r.MaxLine = DefaultMaxLine
	}
	return r
}

// maxProblems is of how many sources a request's sender is told at once what is wrong with them.
const maxProblems = 20

// Check reports everything that is wrong with a request, for its sender.
func (r ImportRequest) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.ID == (ImportID{}) {
		bad("id: missing")
	}
	if r.Attempt < 0 || r.Attempt > MaxAttempt {
		bad("attempt: must be 0 to %d", MaxAttempt)
	}
	if err := CheckName(r.Supplier); err != nil {
		bad("supplier: %w", err)
	}
	if err := CheckDataset(r.Dataset); err != nil {
		bad("dataset: %w", err)
	}
	if r.Mode != ModeOverwrite && r.Mode != ModeSync {
		bad("mode %q: must be one of %s | %s", r.Mode, ModeOverwrite, ModeSync)
	}
	if r.AsOf != nil && r.Mode != ModeSync {
		bad("as_of: has a meaning in mode %s only", ModeSync)
	}
	if r.FHIRVersion != FHIRVersionR4 {
		bad("fhir_version %q: must be %s", r.FHIRVersion, FHIRVersionR4)
	}
	if err := r.Validation.Check(); err != nil {
		bad("validation %w", err)
	}
	if _, err := ParseRejectLimit(r.MaxRejects); err != nil {
		bad("max_rejects %w", err)
	}
	if r.ChunkSize < MinChunkSize || r.ChunkSize > MaxChunkSize {
		bad("chunk_size %d: must be %d to %d bytes", r.ChunkSize, MinChunkSize, MaxChunkSize)
	}
	if r.MaxLine < MinChunkSize || r.MaxLine > MaxMaxLine {
		bad("max_line %d: must be %d to %d bytes", r.MaxLine, MinChunkSize, MaxMaxLine)
	}
	if err := CheckBase(r.Base); err != nil {
		bad("base: %w", err)
	}
	switch isRetry := r.Retry != (ImportID{}); {
	case isRetry && len(r.Sources) > 0:
		bad("sources: a retry has none")
	case isRetry && r.Retry == r.ID:
		bad("retry: an import cannot retry itself")
	case !isRetry && len(r.Sources) == 0:
		bad("sources: name at least one")
	}
	for _, err := range r.snapshotProblems() {
		bad("%w", err)
	}
	if r.Mends == r.ID && r.Mends != (ImportID{}) {
		bad("mends: an import cannot mend itself")
	}
	if len(r.Sources) > MaxSources {
		bad("%w", errSources)
		return errors.Join(errs...)
	}
	most := len(errs) + maxProblems
	for i, s := range r.Sources {
		if len(errs) >= most {
			bad("sources: there may be more that is wrong with them")
			break
		}
		if err := s.check(); err != nil {
			bad("sources[%d]: %w", i, err)
		}
		if s.Delivered != nil && s.Delivered.Supplier != r.Supplier {
			bad("sources[%d]: delivered by another supplier", i)
		}
	}
	return errors.Join(errs...)
}

// maxSnapshotTypes is how many types a snapshot may be limited to; FHIR R4 has fewer.
const maxSnapshotTypes = 200

func (r ImportRequest) snapshotProblems() (errs []error) {
	if _, err := ParseDeleteLimit(r.MaxDeletes); err != nil {
		errs = append(errs, fmt.Errorf("max_deletes %w", err))
	}
	if r.IsSnapshot() && r.Retry != (ImportID{}) {
		errs = append(errs, errors.New("snapshot: a retry has only what was rejected"))
	}
	if len(r.SnapshotTypes) > maxSnapshotTypes {
		return append(errs, fmt.Errorf("snapshot_types: more than %d", maxSnapshotTypes))
	}
	for i, t := range r.SnapshotTypes {
		if !isTypeName(t) {
			errs = append(errs, fmt.Errorf("snapshot_types[%d]: must be a resource type such as Patient", i))
		}
	}
	return errs
}

// isTypeName reports whether s can be the name of a resource type.
func isTypeName(s string) bool {
	for i, c := range []byte(s) {
		if upper := c >= 'A' && c <= 'Z'; !upper && (i == 0 || c < 'a' || c > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= MaxNameLength
}

// CheckOpen reports everything that is wrong with a request whatever its supplier's policy fills in.
func (r ImportRequest) CheckOpen() error {
	if r.AsOf != nil && r.Mode == "" {
		r.Mode = ModeSync // as the policy may say
	}
	return r.WithDefaults().Check()
}

// Encode returns the message's bytes.
func (r ImportRequest) Encode() ([]byte, error) { return json.Marshal(r) }

// MessageID is the id under which JetStream drops a repetition.
func (r ImportRequest) MessageID() string { return fmt.Sprintf("f.%s.%d", r.ID, r.Attempt) }

// sources are those of a request, not more than there may be.
type sources []Source

var errSources = fmt.Errorf("sources: more than %d; name a folder, or a manifest that lists them", MaxSources)

// UnmarshalJSON counts them before there is a [Source] for each, which takes a hundred times the room of what may be no more than {}.
func (s *sources) UnmarshalJSON(b []byte) error {
	var all []struct{}
	if _ = json.Unmarshal(b, &all); len(all) > MaxSources { // what else is wrong is told of the sources
		return errSources
	}
	return json.Unmarshal(b, (*[]Source)(s))
}

// ParseImportRequest reads a request, of which it checks no more than how many sources there are.
func ParseImportRequest(b []byte) (ImportRequest, error) {
	var r struct {
		ImportRequest
		Sources sources `json:"sources"` // in place of the request's
	}
	err := json.Unmarshal(b, &r)
	r.ImportRequest.Sources = r.Sources
	return r.ImportRequest, err
}

// DecodeImportRequest reads a request and checks it. What it leaves open stays open: the policy of
// its supplier fills it in, and then [ImportRequest.WithDefaults].
func DecodeImportRequest(b []byte) (ImportRequest, error) {
	return DecodeImportRequestOf(DefaultSupplier, b)
}

// DecodeImportRequestOf is [DecodeImportRequest] for what came on the subject of a supplier, which it is
// of if it does not say.
func DecodeImportRequestOf(supplier string, b []byte) (ImportRequest, error) {
	r, err := ParseImportRequest(b)
	if err != nil {
		return r, fmt.Errorf("import request: %w", err)
	}
	if r.Supplier == "" {
		r.Supplier = supplier
	}
	if err := r.CheckOpen(); err != nil {
		return r, fmt.Errorf("import request: %w", err)
	}
	return r, nil
}

// CheckBase reports whether s can be the base URL of a FHIR server, or "" for none that is known:
// http or https, a host, perhaps a path, and nothing behind that.
func CheckBase(s string) error {
	if s == "" {
		return nil
	}
	if len(s) > MaxURL {
		return fmt.Errorf("more than %d bytes", MaxURL)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be the URL of a FHIR server, such as https://example.org/fhir")
	}
	return nil
}
