package fhirmsg

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of an [Export].
const (
	MaxExportParameters = 10_000
	MaxExportValue      = 16 << 10 // bytes of a value
)

// Export is a bulk export of a FHIR server ($export, Bulk Data Access IG): asked for, waited for, and imported.
type Export struct {
	URL        string            `json:"url"` // where it is asked for: https://example.org/fhir/Group/1/$export
	Parameters []ExportParameter `json:"parameters,omitempty"`
}

// ExportParameter is a parameter of an export. One that has several values is there several times, or has
// them separated by commas where the specification allows it.
type ExportParameter struct {
	Name  string `json:"name"` // of the specification, such as _type, or of the server
	Value string `json:"value"`
}

// Parameters of an export that are known by name (Bulk Data Access IG, export.html, "Query Parameters").
const (
	ExportSince        = "_since" // an instant: RFC 3339
	ExportUntil        = "_until"
	ExportType         = "_type"
	ExportElements     = "_elements" // Patient.name, or name for all types
	ExportTypeFilter   = "_typeFilter"
	ExportPatient      = "patient" // Patient/1
	ExportOutputFormat = "_outputFormat"
)

// Add adds a parameter.
func (e *Export) Add(name string, values ...string) {
	for _, v := range values {
		e.Parameters = append(e.Parameters, ExportParameter{name, v})
	}
}

// ExportURL is where a FHIR server at a base URL is asked for an export: of a Group's patients, of all patients, or of all it has.
func ExportURL(base, group string, patients bool) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("want the base URL of a FHIR server, such as https://example.org/fhir")
	}
	switch {
	case group != "":
		u = u.JoinPath("Group", url.PathEscape(group), "$export")
	case patients:
		u = u.JoinPath("Patient", "$export")
	default:
		u = u.JoinPath("$export")
	}
	return u.String(), nil
}

// Base is the URL of the FHIR server that is asked; "" where that cannot be told.
func (e *Export) Base() string {
	base, ok := strings.CutSuffix(e.URL, "/$export")
	if rest, last := path(base); ok && last == "Patient" {
		base = rest
	} else if rest, group := path(rest); ok && group == "Group" {
		base = rest
	}
	if !ok || CheckBase(base) != nil {
		return ""
	}
	return base
}

// path is a URL without the last segment of its path, and that.
func path(url string) (rest, last string) {
	i := strings.LastIndexByte(url, '/')
	if i < 0 {
		return "", url
	}
	return url[:i], url[i+1:]
}

// Values are all values of a parameter.
func (e *Export) Values(name string) (values []string) {
	for _, p := range e.Parameters {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return values
}

// List is all values of a parameter that may have them separated by commas, each by itself.
func (e *Export) List(name string) (list []string) {
	for _, value := range e.Values(name) {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// Since is the time that changes are asked for since; zero if all is asked for.
func (e *Export) Since() time.Time {
	for _, v := range e.Values(ExportSince) {
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t
		}
	}
	return time.Time{}
}

// Incomplete are the types of which only some elements are asked for; "*" is all types. nil: none.
func (e *Export) Incomplete() (types []string) {
	for _, element := range e.List(ExportElements) {
		t, _, dotted := strings.Cut(element, ".")
		if !dotted || t == "" || t[0] < 'A' || t[0] > 'Z' {
			t = "*"
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}

// Check reports what is wrong. Errors repeat no value, which may name patients.
func (e *Export) Check() error {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("url: must be where an export is asked for, such as https://example.org/fhir/$export")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("url: must have no query; name the parameters by themselves")
	case len(e.URL) > MaxURL:
		return fmt.Errorf("url: more than %d bytes", MaxURL)
	case len(e.Parameters) > MaxExportParameters:
		return fmt.Errorf("parameters: more than %d", MaxExportParameters)
	}
	seen := map[string]bool{}
	for i, p := range e.Parameters {
		if err := p.check(); err != nil {
			return fmt.Errorf("parameters[%d]: %w", i, err)
		}
		if (p.Name == ExportSince || p.Name == ExportUntil) && seen[p.Name] {
			return fmt.Errorf("parameters[%d]: %s is there a second time", i, p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

func (p ExportParameter) check() error {
	other := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.'
	}
	switch {
	case p.Name == "" || len(p.Name) > 64 || strings.ContainsFunc(p.Name, other):
		return errors.New("name: must be the name of a parameter, such as _type")
	case p.Value == "":
		return fmt.Errorf("%s: must have a value", p.Name)
	case len(p.Value) > MaxExportValue:
		return fmt.Errorf("%s: more than %d bytes", p.Name, MaxExportValue)
	case !utf8.ValidString(p.Value) || strings.ContainsFunc(p.Value, isControl):
		return fmt.Errorf("%s: must be text without control characters", p.Name)
	case p.Name == ExportSince || p.Name == ExportUntil:
		if _, err := time.Parse(time.RFC3339, p.Value); err != nil {
			return fmt.Errorf("%s: must be a time such as 2026-05-01T00:00:00Z", p.Name)
		}
	}
	return nil
}
