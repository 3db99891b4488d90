package supplier

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/s3"
)

// Supplier is one who delivers. Its JSON is flat: the fields of suppliers.yaml, and the name.
type Supplier struct {
	Name string `json:"name"`
	Policy
	Credentials
}

// Policy is how what a supplier delivers is processed. The zero Policy is that of a new supplier: a
// dataset of its own, ids as they come, and no limits.
type Policy struct {
	Dataset     string             `json:"dataset,omitempty"`      // "" is the supplier's name
	Mode        fhirmsg.Mode       `json:"mode,omitempty"`         // "": requests may say
	FHIRVersion string             `json:"fhir_version,omitempty"` // "": requests may say
	Validation  fhirmsg.Validation `json:"validation,omitempty"`   // the least; requests may be stricter
	Keys        fhirmsg.Keys       `json:"keys,omitempty"`         // "" is keep, and not said on purpose
	Base        string             `json:"base,omitempty"`         // URL of the supplier's FHIR server

	URLPrefixes   []string `json:"url_prefixes,omitempty"`   // what may be fetched for it must begin with one
	InternalHosts []string `json:"internal_hosts,omitempty"` // of these, hosts that may have an address that is not public
	Submitters    []string `json:"submitters,omitempty"`     // system|value of submitters in $bulk-submit; none: any
	Bucket        string   `json:"bucket,omitempty"`         // s3://bucket/prefix/: what comes to lie there is imported, and nothing else of S3 may be read for it

	MaxBytes          int64 `json:"max_bytes,omitempty"`           // of an import, after decompression; 0 is no limit, as below
	MaxLines          int64 `json:"max_lines,omitempty"`           // of an import
	MaxLine           int   `json:"max_line,omitempty"`            // bytes of a line; a longer one is rejected
	MaxImports        int   `json:"max_imports,omitempty"`         // that are fetched and stored at once
	RequestsPerMinute int   `json:"requests_per_minute,omitempty"` // to the HTTP interface
	KeepReportsDays   int   `json:"keep_reports_days,omitempty"`   // rejects and their outcomes, after the end of their import

	Snapshot   bool   `json:"snapshot,omitempty"`    // deliveries that say nothing else have all that the supplier has
	MaxDeletes string `json:"max_deletes,omitempty"` // of a snapshot; see [fhirmsg.ParseDeleteLimit]
}

// Credentials are how a supplier proves who it is, and Stoker to a supplier's server.
type Credentials struct {
	TokenHashes []string        `json:"token_hashes,omitempty"` // of bearer tokens; see [HashOf]
	ClientID    string          `json:"client_id,omitempty"`    // of SMART Backend Services
	JWKSURL     string          `json:"jwks_url,omitempty"`     // where its public keys are
	JWKS        json.RawMessage `json:"jwks,omitempty"`         // or the keys themselves (RFC 7517, section 5)
	FetchOAuth  *FetchOAuth     `json:"fetch_oauth,omitempty"`  // how tokens of its server are got; nil: none are
}

// DatasetOf is the dataset that the supplier of a name delivers into.
func (p Policy) DatasetOf(name string) string { return cmp.Or(p.Dataset, name) }

// KeysOrKeep is the key policy, also where none is said.
func (p Policy) KeysOrKeep() fhirmsg.Keys { return cmp.Or(p.Keys, fhirmsg.KeysKeep) }

// AcceptsSubmitter reports whether a submitter of $bulk-submit is one that was agreed on.
func (p Policy) AcceptsSubmitter(system, value string) bool {
	return len(p.Submitters) == 0 || slices.Contains(p.Submitters, system+"|"+value)
}

// KeepReports is how long reports are kept after the end of their import; 0 is for ever.
func (p Policy) KeepReports() time.Duration { return time.Duration(p.KeepReportsDays) * 24 * time.Hour }

// Problem is what is wrong with a field.
type Problem struct {
	Field string
	Err   error
}

func (p Problem) Error() string { return p.Field + ": " + p.Err.Error() }
func (p Problem) Unwrap() error { return p.Err }

// Check reports everything that is wrong with a supplier.
func (s Supplier) Check() error {
	var errs []error
	for _, p := range s.Problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// Problems is Check, by field.
func (s Supplier) Problems() []Problem {
	var problems []Problem
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{field, err})
		}
	}
	nameErr := fhirmsg.CheckName(s.Name)
	check("name", nameErr)
	if s.Dataset != "" || nameErr == nil {
		check("dataset", fhirmsg.CheckDataset(s.DatasetOf(s.Name)))
	}
	if s.Mode != "" && s.Mode != fhirmsg.ModeOverwrite && s.Mode != fhirmsg.ModeSync {
		check("mode", fmt.Errorf("%q: must be %s or %s", string(s.Mode), fhirmsg.ModeOverwrite, fhirmsg.ModeSync))
	}
	if s.FHIRVersion != "" && s.FHIRVersion != fhirmsg.FHIRVersionR4 {
		check("fhir_version", fmt.Errorf("%q: must be %s", s.FHIRVersion, fhirmsg.FHIRVersionR4))
	}
	if s.Validation != "" {
		check("validation", s.Validation.Check())
	}
	check("keys", s.KeysOrKeep().Check())
	check("base", fhirmsg.CheckBase(s.Base))
	for i, prefix := range s.URLPrefixes {
		check(fmt.Sprintf("url_prefixes[%d]", i), outbound.CheckPrefix(prefix))
	}
	for i, host := range s.InternalHosts {
		if host == "" {
			check(fmt.Sprintf("internal_hosts[%d]", i), errors.New("must be the name of a host"))
		}
	}
	for i, submitter := range s.Submitters {
		if _, value, ok := strings.Cut(submitter, "|"); !ok || value == "" {
			check(fmt.Sprintf("submitters[%d]", i), errors.New("must be system|value, such as https://example.org/submitters|clinic-a"))
		}
	}
	if s.Bucket != "" {
		_, err := s3.ParsePrefix(s.Bucket)
		check("bucket", err)
	}
	problems = append(problems, s.limitProblems()...)
	if _, err := fhirmsg.ParseDeleteLimit(s.MaxDeletes); err != nil {
		problems = append(problems, Problem{"max_deletes", err})
	}
	return append(problems, s.credentialProblems()...)
}

func (p Policy) limitProblems() (problems []Problem) {
	for _, limit := range []struct {
		field string
		value int64
	}{
		{"max_bytes", p.MaxBytes}, {"max_lines", p.MaxLines}, {"max_imports", int64(p.MaxImports)},
		{"requests_per_minute", int64(p.RequestsPerMinute)}, {"keep_reports_days", int64(p.KeepReportsDays)},
	} {
		if limit.value < 0 {
			problems = append(problems, Problem{limit.field, errors.New("must not be negative; leave it out for no limit")})
		}
	}
	if p.MaxLine != 0 && (p.MaxLine < fhirmsg.MinChunkSize || p.MaxLine > fhirmsg.MaxMaxLine) {
		problems = append(problems, Problem{"max_line", fmt.Errorf("must be %d to %d bytes", fhirmsg.MinChunkSize, fhirmsg.MaxMaxLine)})
	}
	return problems
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("must be a URL such as https://example.org/bulk/")
	}
	return nil
}
