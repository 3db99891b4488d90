package fhirmsg

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPullCheck(t *testing.T) {
	t.Parallel()
	since := time.Unix(0, 0)
	good := func(change func(*Pull)) *Pull {
		p := &Pull{URL: "https://example.org/fhir", Types: []string{"Observation"}, Patients: []string{"1"}}
		if change != nil {
			change(p)
		}
		return p
	}
	tests := []struct {
		name string
		pull *Pull
		want string // part of the error; "": none
	}{
		{"good", good(nil), ""},
		{"everything", good(func(p *Pull) {
			p.Types, p.Everything, p.Follow, p.Rate, p.Concurrency, p.Count = nil, true, []string{"Binary"}, 0.5, 16, 10_000
		}), ""},
		{"a group", good(func(p *Pull) { p.Patients, p.Group = nil, "a.b-c_1" }), ""},
		{"a search", good(func(p *Pull) { p.Patients, p.Cohort = nil, "Patient?organization=1" }), ""},
		{"deletions", good(func(p *Pull) { p.Deletions, p.Since = true, &since }), ""},
		{"filters", good(func(p *Pull) { p.Types, p.Filters = nil, []string{"Observation?code=a|b"} }), ""},
		{"no URL", good(func(p *Pull) { p.URL = "" }), "url"},
		{"a file", good(func(p *Pull) { p.URL = "file:///secret" }), "url"},
		{"a user", good(func(p *Pull) { p.URL = "https://secret@example.org/fhir" }), "url"},
		{"nobody", good(func(p *Pull) { p.Patients = nil }), "exactly one"},
		{"two cohorts", good(func(p *Pull) { p.Group = "1" }), "exactly one"},
		{"no id", good(func(p *Pull) { p.Patients = []string{"secret/../x"} }), "patients[0]"},
		{"dots", good(func(p *Pull) { p.Patients = []string{".."} }), "patients[0]"},
		{"no Group", good(func(p *Pull) { p.Patients, p.Group = nil, "a/b" }), "group"},
		{"a search for others", good(func(p *Pull) { p.Patients, p.Cohort = nil, "Observation?secret=1" }), "cohort"},
		{"no search", good(func(p *Pull) { p.Patients, p.Cohort = nil, "Patient" }), "cohort"},
		{"too many", good(func(p *Pull) { p.Patients = make([]string, MaxPullPatients+1) }), "more than"},
		{"no types", good(func(p *Pull) { p.Types = nil }), "types"},
		{"no type", good(func(p *Pull) { p.Types = []string{"secret?x"} }), "types"},
		{"nothing to follow", good(func(p *Pull) { p.Follow = []string{"secret x"} }), "follow"},
		{"filters of everything", good(func(p *Pull) { p.Everything, p.Filters = true, []string{"Observation?code=1"} }), "filters"},
		{"no filter", good(func(p *Pull) { p.Filters = []string{"secret"} }), "filters[0]"},
		{"a filter for parts", good(func(p *Pull) { p.Filters = []string{"Observation?code=1", "Observation?code=secret&_elements=id"} }), "filters[1]: must be without _elements"},
		{"a filter for summaries", good(func(p *Pull) { p.Filters = []string{"Observation?_summary=secret"} }), "filters[0]: must be without _summary"},
		{"a filter for parts, escaped", good(func(p *Pull) { p.Filters = []string{"Observation?code=1&%5felements:x=secret"} }), "filters[0]: must be without _elements"},
		{"a filter for contained resources", good(func(p *Pull) { p.Filters = []string{"Observation?_contained=secret"} }), "filters[0]: must be without _contained"},
		{"a filter that is no query", good(func(p *Pull) { p.Filters = []string{"Observation?%zz=secret"} }), "filters[0]: must be the query"},
		{"a cohort in XML", good(func(p *Pull) { p.Patients, p.Cohort = nil, "Patient?active=secret&_format=xml" }), "cohort: must be without _format"},
		{"a cohort by pages", good(func(p *Pull) { p.Patients, p.Cohort = nil, "Patient?active=secret&_count=1" }), "cohort: must be without _count"},
		{"what is searched for by parts", good(func(p *Pull) { p.Filters = []string{"Observation?code=_elements&x._count=1"} }), ""},
		{"a filter with a fragment", good(func(p *Pull) { p.Filters = []string{"Observation?secret=1#x"} }), "filters[0]"},
		{"deletions of all times", good(func(p *Pull) { p.Deletions = true }), "deletions"},
		{"a page too large", good(func(p *Pull) { p.Count = 10_001 }), "count"},
		{"too many at once", good(func(p *Pull) { p.Concurrency = 17 }), "concurrency"},
		{"no rate", good(func(p *Pull) { p.Rate = -1 }), "rate"},
	}
	for _, tt := range tests {
		err := Source{Pull: tt.pull}.check()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := (Source{Pull: good(nil), Path: "/x"}).check(); err == nil {
		t.Error("two sources in one")
	}
}

// FuzzPullSearch: whatever is taken as a search asks for whole resources, and errors do not repeat it.
func FuzzPullSearch(f *testing.F) {
	for _, s := range []string{"Observation?category=a|b,c", "Patient?%5felements=id", "Patient?_summary:x=true&a", "Patient?a=%zz", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		of, err := checkSearch(s)
		if err != nil {
			if len(s) > 80 && strings.Contains(err.Error(), s) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		query, ok := strings.CutPrefix(s, of+"?")
		if !ok || query == "" {
			t.Fatalf("%q is of type %q", s, of)
		}
		values, _ := url.ParseQuery(query) // leaves out what is not to be read
		for name := range values {
			if name, _, _ = strings.Cut(name, ":"); slices.Contains(partial, name) {
				t.Fatalf("%q has %s", s, name)
			}
		}
	})
}
