package fhirmsg

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func exportOf(parameters ...string) *Export {
	e := &Export{URL: "https://a/fhir/$export"}
	for i := 0; i < len(parameters); i += 2 {
		e.Add(parameters[i], parameters[i+1])
	}
	return e
}

func TestExport(t *testing.T) {
	t.Parallel()
	e := exportOf(ExportType, "Patient, Observation", ExportType, "Condition", ExportSince, "2026-01-01T00:00:00+01:00")
	if got := e.List(ExportType); !slices.Equal(got, []string{"Patient", "Observation", "Condition"}) {
		t.Errorf("types %q", got)
	}
	if got := e.Since(); !got.Equal(time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("since %s", got)
	}
	for elements, want := range map[string][]string{
		"": nil, "id,Patient.name": {"*", "Patient"}, "Patient.name,Patient.id,Encounter.id": {"Patient", "Encounter"}, "name.given": {"*"},
	} {
		e := exportOf()
		if elements != "" {
			e.Add(ExportElements, elements)
		}
		if got := e.Incomplete(); !slices.Equal(got, want) {
			t.Errorf("elements %q: %q, want %q", elements, got, want)
		}
	}
	for url, want := range map[string]string{
		"https://a/fhir/$export": "https://a/fhir", "https://a/$export": "https://a", "https://a/fhir/Patient/$export": "https://a/fhir",
		"https://a/fhir/Group/7/$export": "https://a/fhir", "https://a/fhir/other": "", "https://u@a/$export": "", "$export": "",
	} {
		if got := (&Export{URL: url}).Base(); got != want {
			t.Errorf("base of %s: %q, want %q", url, got, want)
		}
	}
	s := Source{Export: e, Headers: []Header{{Name: "X", Value: "y"}}}
	if err := s.check(); err != nil || s.String() != e.URL || !s.IsRemote() {
		t.Errorf("source: %v, %s", err, s)
	}
}

func TestExportCheck(t *testing.T) {
	t.Parallel()
	many := exportOf()
	many.Add(ExportPatient, slices.Repeat([]string{"Patient/secret"}, MaxExportParameters+1)...)
	for _, tt := range []struct {
		name string
		e    *Export
		want string
	}{
		{"no URL", &Export{}, "url: must be where"},
		{"another scheme", &Export{URL: "ftp://secret"}, "url: must be where"},
		{"a query", &Export{URL: "https://a/$export?_type=secret"}, "no query"},
		{"too long", &Export{URL: "https://a/" + strings.Repeat("x", MaxExportValue)}, "more than"},
		{"too many", many, "parameters: more than"},
		{"no name", exportOf("", "secret"), "parameters[0]: name"},
		{"a strange name", exportOf("a&b", "secret"), "parameters[0]: name"},
		{"no value", exportOf(ExportType, ""), "_type: must have a value"},
		{"long value", exportOf(ExportType, strings.Repeat("secret", MaxExportValue)), "_type: more than"},
		{"control characters", exportOf(ExportType, "secret\n"), "_type: must be text"},
		{"no time", exportOf(ExportSince, "secret"), "_since: must be a time"},
		{"two times", exportOf(ExportSince, "2026-01-01T00:00:00Z", ExportSince, "2026-01-01T00:00:00Z"), "second time"},
	} {
		err := Source{Export: tt.e}.check()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := (Source{Export: exportOf(), URL: "https://a"}).check(); err == nil {
		t.Error("an export and a URL are taken together")
	}
}
