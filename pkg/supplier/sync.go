package supplier

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/pkg/schedule"
)

// Kinds of syncs.
const (
	SyncPublish = "publish" // a manifest at a URL is polled: $bulk-publish, or a plain one
	SyncExport  = "export"  // a FHIR server is asked for a bulk export of what has changed: $export
)

// Sync is a source that is asked again and again, on a schedule, for what it has new. docs/sync.md is this
// type for operators.
type Sync struct {
	Name       string             `json:"name"`
	Kind       string             `json:"kind,omitempty"`        // "" is export where Export is set, and else publish
	From       string             `json:"from"`                  // URL of the manifest; of an export, the server's base URL
	Every      string             `json:"every"`                 // cron expression, see [schedule.Parse]
	Zone       string             `json:"zone,omitempty"`        // time zone of it; "" is UTC
	Supplier   string             `json:"supplier,omitempty"`    // "" is the operator: local
	Dataset    string             `json:"dataset,omitempty"`     // "", as the three that follow: as the supplier's policy says
	Mode       fhirmsg.Mode       `json:"mode,omitempty"`        //
	Validation fhirmsg.Validation `json:"validation,omitempty"`  //
	Headers    []fhirmsg.Header   `json:"headers,omitempty"`     // of requests; values may be secrets
	HeaderFile string             `json:"header_file,omitempty"` // file of more, lines "Name: value", read when a run begins
	Export     *Export            `json:"export,omitempty"`      // of kind export
}

// WithDefaults fills in what a declaration leaves open and its supplier's policy does not decide.
func (s Sync) WithDefaults() Sync {
	if s.Export != nil {
		s.Kind = cmp.Or(s.Kind, SyncExport)
	}
	if s.Kind == SyncExport && s.Export == nil {
		s.Export = new(Export)
	}
	s.Kind = cmp.Or(s.Kind, SyncPublish)
	s.Zone = cmp.Or(s.Zone, schedule.DefaultZone)
	s.Supplier = cmp.Or(s.Supplier, fhirmsg.DefaultSupplier)
	return s
}

// Schedule is when it is due. Errors are those that [Sync.Check] reports.
func (s Sync) Schedule() (schedule.Schedule, error) { return schedule.Parse(s.Every, s.Zone) }

// Source is what is polled, and with which headers: those of the file too.
func (s Sync) Source() (fhirmsg.Source, error) {
	headers, err := s.AllHeaders()
	return fhirmsg.Source{Manifest: s.From, Headers: headers}, err
}

// AllHeaders are those that were declared, and those of the file as it is now.
func (s Sync) AllHeaders() ([]fhirmsg.Header, error) {
	if s.HeaderFile == "" {
		return s.Headers, nil
	}
	content, err := os.ReadFile(s.HeaderFile)
	if err != nil {
		return nil, fmt.Errorf("header_file: %w", err)
	}
	more, err := fhirmsg.ParseHeaders(string(content))
	if err != nil {
		return nil, fmt.Errorf("header_file %s: %w", s.HeaderFile, err)
	}
	return append(append([]fhirmsg.Header{}, s.Headers...), more...), nil
}

// WithoutSecrets is the sync as it may be shown: headers without values, and the URL without those of its query.
func (s Sync) WithoutSecrets() Sync {
	headers := make([]fhirmsg.Header, len(s.Headers))
	for i, h := range s.Headers {
		headers[i].Name = h.Name
	}
	s.Headers = headers
	if before, _, ok := strings.Cut(s.From, "?"); ok {
		s.From = before + "?…"
	}
	return s
}

// Request is an import of what was found, but for its id. It is no snapshot, whatever its supplier's policy says: what was
// found may be a part.
func (s Sync) Request(sources []fhirmsg.Source) fhirmsg.ImportRequest {
	return fhirmsg.ImportRequest{Supplier: s.Supplier, Dataset: s.Dataset, Mode: s.Mode, Validation: s.Validation, Sources: sources, Snapshot: new(bool)}
}

// Complete fills in what a request leaves open that the policy of its supplier does not decide: exports are of changes, which are
// compared by when they were made, and their references are to the server that is asked.
func (s Sync) Complete(req fhirmsg.ImportRequest, p Policy) fhirmsg.ImportRequest {
	if s.Kind != SyncExport {
		return req
	}
	req.Mode = cmp.Or(req.Mode, p.Mode, fhirmsg.ModeSync)
	req.Base = cmp.Or(req.Base, p.Base, s.From)
	return req
}

// SameData reports whether two declarations are of the same data in the same place, so that what was imported by
// one need not be by the other.
func (s Sync) SameData(t Sync) bool {
	return s.Kind == t.Kind && s.From == t.From && s.Supplier == t.Supplier && s.Dataset == t.Dataset && s.Mode == t.Mode && s.Export.sameData(t.Export)
}

// Refusal says what in a sync contradicts its supplier's policy; "" is nothing.
func (p Policy) Refusal(s Sync) string {
	at := s.From
	if s.Kind == SyncExport {
		at = s.Export.url(s.From)
	}
	u, err := outbound.ParseURL(at)
	if err == nil {
		err = (&outbound.Policy{Prefixes: p.URLPrefixes}).Allows(u)
	}
	if err != nil {
		return "from: " + err.Error()
	}
	_, refusal := p.Fill(s.Request(nil))
	return refusal
}

// Check reports everything that is wrong with a sync.
func (s Sync) Check() error {
	var errs []error
	for _, p := range s.Problems() {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// Problems is Check, by field.
func (s Sync) Problems() (problems []Problem) {
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{field, err})
		}
	}
	check("name", fhirmsg.CheckName(s.Name))
	switch kind := s.WithDefaults().Kind; kind {
	case SyncPublish:
		check("from", checkManifestURL(s.From))
		if s.Export != nil {
			check("export", fmt.Errorf("is for syncs of kind %s", SyncExport))
		}
	case SyncExport:
		problems = append(problems, s.exportProblems()...)
	default:
		check("from", checkManifestURL(s.From))
		check("kind", fmt.Errorf("%q: must be %s or %s", s.Kind, SyncPublish, SyncExport))
	}
	if _, err := schedule.Parse(s.Every, ""); err != nil {
		check("every", err)
	} else if _, err := schedule.Parse(s.Every, s.Zone); err != nil {
		check("zone", err)
	}
	if s.Supplier != "" {
		check("supplier", fhirmsg.CheckName(s.Supplier))
	}
	if s.Dataset != "" {
		check("dataset", fhirmsg.CheckDataset(s.Dataset))
	}
	if s.Mode != "" && s.Mode != fhirmsg.ModeOverwrite && s.Mode != fhirmsg.ModeSync {
		check("mode", fmt.Errorf("%q: must be one of %s | %s", s.Mode, fhirmsg.ModeOverwrite, fhirmsg.ModeSync))
	}
	if s.Validation != "" {
		check("validation", s.Validation.Check())
	}
	if s.HeaderFile != "" && !filepath.IsAbs(s.HeaderFile) {
		check("header_file", errors.New("must be an absolute path, as the process that runs syncs sees it"))
	}
	for i, h := range s.Headers {
		check(fmt.Sprintf("headers[%d]", i), h.Check())
	}
	return problems
}

func checkManifestURL(s string) error {
	u, err := outbound.ParseURL(s)
	switch {
	case s == "":
		return errors.New("must be the URL of a manifest, such as https://example.org/fhir/$bulk-publish")
	case err != nil:
		return err
	case u.User != nil:
		return errors.New("must have no user in it; give an Authorization header instead")
	}
	return nil
}
