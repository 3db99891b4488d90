package supplier

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
)

// Export is which bulk export a sync of kind export asks for (Bulk Data Access IG, $export). The zero Export is of all that the
// server has.
type Export struct {
	Group        string                    `json:"group,omitempty"`         // id of a Group, whose patients are exported
	PatientLevel bool                      `json:"patient_level,omitempty"` // all patients
	Types        []string                  `json:"types,omitempty"`         // _type; none: all
	TypeFilters  []string                  `json:"type_filters,omitempty"`  // _typeFilter
	Parameters   []fhirmsg.ExportParameter `json:"parameters,omitempty"`    // others, such as includeAssociatedData
	Overlap      string                    `json:"overlap,omitempty"`       // as in 10m: how much earlier than the last export _since is; "" is [DefaultOverlap]
	AcceptErrors bool                      `json:"accept_errors,omitempty"` // errors that the server reports of its own export fail no run
}

// IsZero reports whether nothing is said.
func (e Export) IsZero() bool {
	return e.Overlap == "" && !e.AcceptErrors && e.sameData(new(Export))
}

// Limits of an [Export]'s overlap.
const (
	DefaultOverlap = 10 * time.Minute
	maxOverlap     = 31 * 24 * time.Hour
)

// Since is the time that changes are asked for since, after an export of a time; zero for a zero time: all is asked for.
// Errors are those that [Sync.Check] reports.
func (e Export) Since(last time.Time) (time.Time, error) {
	overlap, err := e.overlap()
	if err != nil || last.IsZero() {
		return time.Time{}, err
	}
	return last.Add(-overlap), nil
}

func (e Export) overlap() (time.Duration, error) {
	if e.Overlap == "" {
		return DefaultOverlap, nil
	}
	d, err := time.ParseDuration(e.Overlap)
	if err != nil || d < 0 || d > maxOverlap {
		return 0, fmt.Errorf("overlap %q: must be a time such as 10m or 1h, of at most 31 days", e.Overlap)
	}
	return d, nil
}

// ExportSource is the export that a sync of kind export asks for: of what changed since a time, unless that is zero, and of some patients
// only, unless there are none. The headers are those of the file too.
func (s Sync) ExportSource(since time.Time, patients []string) (fhirmsg.Source, error) {
	headers, err := s.AllHeaders()
	if err != nil {
		return fhirmsg.Source{}, err
	}
	e := &fhirmsg.Export{URL: s.Export.url(s.From)}
	if len(s.Export.Types) > 0 {
		e.Add(fhirmsg.ExportType, strings.Join(s.Export.Types, ","))
	}
	if !since.IsZero() {
		e.Add(fhirmsg.ExportSince, since.UTC().Format(time.RFC3339Nano))
	}
	e.Add(fhirmsg.ExportTypeFilter, s.Export.TypeFilters...)
	for _, id := range patients {
		e.Add(fhirmsg.ExportPatient, "Patient/"+id)
	}
	e.Parameters = append(e.Parameters, s.Export.Parameters...)
	return fhirmsg.Source{Export: e, Headers: headers}, e.Check()
}

// url is where the export is asked for; "" where the base URL is none.
func (e *Export) url(base string) string {
	if e == nil {
		e = new(Export)
	}
	at, err := fhirmsg.ExportURL(base, e.Group, e.PatientLevel)
	if err != nil {
		return ""
	}
	return at
}

// sameData reports whether two exports are of the same data: what differs otherwise changes nothing of what was imported.
func (e *Export) sameData(f *Export) bool {
	if e == nil || f == nil {
		return e == f
	}
	return e.Group == f.Group && e.PatientLevel == f.PatientLevel && slices.Equal(e.Types, f.Types) &&
		slices.Equal(e.TypeFilters, f.TypeFilters) && slices.Equal(e.Parameters, f.Parameters)
}

// Reconcilable says why what a sync's source lacks cannot be known; nil is that it can.
func (s Sync) Reconcilable() error {
	if s.Kind != SyncExport {
		return fmt.Errorf("it is of kind %s; only an export of all that there is tells what is not there any more", s.Kind)
	}
	if len(s.Export.TypeFilters) > 0 {
		return errors.New("it has type filters, so what is not exported may well be there")
	}
	for _, p := range s.Export.Parameters {
		if slices.Contains([]string{fhirmsg.ExportTypeFilter, fhirmsg.ExportElements, fhirmsg.ExportUntil}, p.Name) {
			return fmt.Errorf("it asks for a part only (%s), so what is not exported may well be there", p.Name)
		}
	}
	return nil
}

// typeName is what the name of a resource type is like.
var typeName = regexp.MustCompile(`^[A-Z][A-Za-z]{0,63}$`)

// exportProblems is what is wrong with what a sync of kind export asks for.
func (s Sync) exportProblems() (problems []Problem) {
	check := func(field string, err error) {
		if err != nil {
			problems = append(problems, Problem{field, err})
		}
	}
	u, err := outbound.ParseURL(s.From)
	switch {
	case s.From == "":
		check("from", errors.New("must be the base URL of a FHIR server, such as https://example.org/fhir"))
		return problems
	case err != nil:
		check("from", err)
		return problems
	case u.User != nil:
		check("from", errors.New("must have no user in it; give an Authorization header instead"))
	}
	if _, err := fhirmsg.ExportURL(s.From, "", false); err != nil {
		check("from", err)
		return problems
	}
	e := s.WithDefaults().Export
	if e.Group != "" && e.PatientLevel {
		check("export", errors.New("group and patient_level are two different exports; name one"))
	}
	if e.Group != "" && !fhirmsg.IsResourceID(e.Group) {
		check("export.group", errors.New("must be the id of a Group, such as 7, without Group/ before it"))
	}
	_, err = e.overlap()
	check("export", err)
	for i, t := range e.Types {
		if !typeName.MatchString(t) {
			check(fmt.Sprintf("export.types[%d]", i), errors.New("must be a resource type such as Patient"))
		}
	}
	for i, p := range e.Parameters {
		if slices.Contains([]string{fhirmsg.ExportSince, fhirmsg.ExportType, fhirmsg.ExportPatient}, p.Name) {
			check(fmt.Sprintf("export.parameters[%d]", i), fmt.Errorf("%s is what the sync itself asks for", p.Name))
		}
	}
	if len(problems) == 0 {
		s.Export, s.HeaderFile = e, ""
		_, err = s.ExportSource(time.Time{}, nil)
		check("export", err)
	}
	return problems
}
