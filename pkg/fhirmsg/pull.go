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

// Limits of a [Pull].
const (
	MaxPullPatients    = 10_000 // that a request names; a cohort of the server may be larger
	MaxPullTypes       = 200
	MaxPullPage        = 10_000 // resources that a page is asked to have
	MaxPullConcurrency = 16
	maxPullSearch      = 4 << 10 // bytes of a search; servers take no more than some kilobytes
	maxResourceID      = 64      // https://hl7.org/fhir/R4/datatypes.html#id
)

// Pull is what a FHIR server has of a cohort of patients, asked for patient by patient: of servers without bulk export. Exactly
// one of Patients, Group, List and Cohort says who they are. docs/pull.md is this type for operators.
type Pull struct {
	URL        string `json:"url"`                  // of the server: https://example.org/fhir
	Everything bool   `json:"everything,omitempty"` // by Patient/[id]/$everything; else by a search for each of Types

	Patients []string `json:"patients,omitempty"` // ids
	Group    string   `json:"group,omitempty"`    // id of a Group, whose members are the patients
	List     string   `json:"list,omitempty"`     // id of a List of patients
	Cohort   string   `json:"cohort,omitempty"`   // a search for patients: Patient?organization=1

	Types     []string   `json:"types,omitempty"`     // resource types; with Everything: none is all
	Filters   []string   `json:"filters,omitempty"`   // searches that are more than a type: Observation?category=laboratory
	Since     *time.Time `json:"since,omitempty"`     // what was updated then or later; nil: all
	Follow    []string   `json:"follow,omitempty"`    // types of resources that are fetched too where others point to them
	Deletions bool       `json:"deletions,omitempty"` // those of Types since Since are asked for, by _history

	Count       int     `json:"count,omitempty"`       // resources of a page, as the server is asked; 0: as the fetcher chooses
	Concurrency int     `json:"concurrency,omitempty"` // requests at once; 0: as the fetcher chooses
	Rate        float64 `json:"rate,omitempty"`        // the most requests in a second; 0: no limit
}

// Check reports what is wrong. Errors repeat no value, which may name patients.
func (p *Pull) Check() error {
	if err := CheckBase(p.URL); err != nil || p.URL == "" {
		return errors.New("url: must be the URL of a FHIR server, such as https://example.org/fhir")
	}
	if err := p.checkCohort(); err != nil {
		return err
	}
	switch {
	case len(p.Types) > MaxPullTypes, len(p.Follow) > MaxPullTypes, len(p.Filters) > MaxPullTypes:
		return fmt.Errorf("types, filters, follow: more than %d", MaxPullTypes)
	case !p.Everything && len(p.Types)+len(p.Filters) == 0:
		return errors.New("types: name at least one, or everything")
	case p.Everything && len(p.Filters) > 0:
		return errors.New("filters: not with everything")
	case p.Deletions && (len(p.Types)+len(p.Filters) == 0 || p.Since == nil):
		return errors.New("deletions: only with types and since, as they are of all patients of the server")
	case p.Count < 0 || p.Count > MaxPullPage:
		return fmt.Errorf("count: must be 0 to %d", MaxPullPage)
	case p.Concurrency < 0 || p.Concurrency > MaxPullConcurrency:
		return fmt.Errorf("concurrency: must be 0 to %d", MaxPullConcurrency)
	case p.Rate < 0 || p.Rate > 1000:
		return errors.New("rate: must be 0 to 1000 requests a second")
	}
	for _, t := range slices.Concat(p.Types, p.Follow) {
		if !isTypeName(t) {
			return errors.New("types, follow: must be resource types such as Observation")
		}
	}
	for i, f := range p.Filters {
		if _, err := checkSearch(f); err != nil {
			return fmt.Errorf("filters[%d]: %w", i, err)
		}
	}
	return nil
}

func (p *Pull) checkCohort() error {
	ways := 0
	for _, is := range []bool{len(p.Patients) > 0, p.Group != "", p.List != "", p.Cohort != ""} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("set exactly one of patients, group, list, cohort")
	}
	if len(p.Patients) > MaxPullPatients {
		return fmt.Errorf("patients: more than %d", MaxPullPatients)
	}
	for i, id := range p.Patients {
		if !IsResourceID(id) {
			return fmt.Errorf("patients[%d]: must be the id of a resource", i)
		}
	}
	for name, id := range map[string]string{"group": p.Group, "list": p.List} {
		if id != "" && !IsResourceID(id) {
			return fmt.Errorf("%s: must be the id of a resource", name)
		}
	}
	if p.Cohort == "" {
		return nil
	}
	t, err := checkSearch(p.Cohort)
	if err == nil && t != "Patient" {
		err = errors.New("must be a search such as Patient?organization=1")
	}
	if err != nil {
		return fmt.Errorf("cohort: %w", err)
	}
	return nil
}

// checkSearch returns the type of a search.
func checkSearch(s string) (resourceType string, err error) {
	t, query, ok := strings.Cut(s, "?")
	switch {
	case !ok || query == "" || !isTypeName(t):
		return "", errors.New("must be a search such as Observation?category=laboratory")
	case len(s) > maxPullSearch:
		return "", fmt.Errorf("more than %d bytes", maxPullSearch)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, isControl) || strings.ContainsRune(s, '#'):
		return "", errors.New("must be text without control characters and fragment")
	}
	for parameter := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if name, err = url.QueryUnescape(name); err != nil {
			return "", errors.New("must be the query of a URL, with % before two hexadecimal digits")
		}
		if name, _, _ = strings.Cut(name, ":"); slices.Contains(partial, name) {
			return "", fmt.Errorf("must be without %s", name)
		}
	}
	return t, nil
}

// partial are parameters of a search (https://hl7.org/fhir/R4/search.html#summary) by which servers send parts of resources,
// which would be imported in place of the whole ones, or no FHIR JSON; and those that the fetcher sets.
var partial = []string{"_elements", "_summary", "_contained", "_containedType", "_format", "_count"}

// IsResourceID reports whether s can be the id of a resource (https://hl7.org/fhir/R4/datatypes.html#id). The underscore is
// none of FHIR's, and yet in use.
func IsResourceID(s string) bool {
	other := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_'
	}
	return s != "" && len(s) <= maxResourceID && !strings.ContainsFunc(s, other) && strings.Trim(s, ".") != ""
}
