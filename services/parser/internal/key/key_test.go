package key

import (
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/parser/internal/resource"
)

func TestCheckType(t *testing.T) {
	t.Parallel()
	tests := []struct {
		doc, code, text string // text: a part of it; "" is no issue
		offset          int64
	}{
		{`{"resourceType":"Patient"}`, "", "", 0},
		{`{"resourceType":"Bundle"}`, "", "", 0},
		{`[]`, "structure", "expected a JSON object", 0},
		{`"Patient"`, "structure", "expected a JSON object", 0},
		{` {"id":"1"}`, "structure", "not a FHIR resource: no resourceType", 1},
		{`{"resourceType":null}`, "structure", "must be a string", 16},
		{`{"resourceType":["Patient"]}`, "structure", "must be a string", 16},
		{`{"resourceType":"EncounterICU"}`, "value", "resourceType EncounterICU is not a resource of FHIR 4.0.1", 16},
		{`{"resourceType":"DomainResource"}`, "value", "resourceType DomainResource is not", 16},
		{`{"resourceType":""}`, "value", "resourceType is not a resource", 16},
		{`{"resourceType":"Miller 1970"}`, "value", "resourceType is not a resource", 16},
		{`{"resourceType":"` + strings.Repeat("a", 65) + `"}`, "value", "resourceType is not a resource", 16},
	}
	for _, tt := range tests {
		var s resource.Reader
		d, err := s.Read([]byte(tt.doc), false)
		if err != nil {
			t.Fatal(err)
		}
		checkIssue(t, tt.doc, CheckType(fhirmsg.FHIRVersionR4, d), tt.code, tt.text, tt.offset)
	}
}

func TestCheckID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		doc, code, text string
		offset          int64
		usual           bool
	}{
		{`{"id":"a"}`, "", "", 0, true},
		{`{"id":"` + strings.Repeat("a", 64) + `"}`, "", "", 0, true},
		{`{"id":"A-1.z9"}`, "", "", 0, true},
		{`{"id":"a_b"}`, "", "", 0, false},
		{`{"id":"Jürgen 7"}`, "", "", 0, false},
		{`{"id":"` + strings.Repeat("a", 65) + `"}`, "", "", 0, false},
		{`{"id":"` + strings.Repeat("a", 255) + `"}`, "", "", 0, false},
		{`{"id":"` + strings.Repeat("a", 256) + `"}`, "value", "too long", 6, false},
		{`{}`, "required", "id is missing", 0, false},
		{`{"id":null}`, "structure", "must be a string", 6, false},
		{`{"id":7}`, "structure", "must be a string", 6, false},
		{`{"id":""}`, "value", "is empty", 6, false},
		{`{"id":"a/b"}`, "value", "'/'", 6, false},
		{`{"id":"a\nb"}`, "value", "control", 6, false},
		{`{"id":"a\u007f"}`, "value", "control", 6, false},
		{`{"id":"a\u0085"}`, "value", "control", 6, false},
	}
	for _, tt := range tests {
		var s resource.Reader
		d, err := s.Read([]byte(tt.doc), false)
		if err != nil {
			t.Fatal(err)
		}
		issue := CheckID(d)
		checkIssue(t, tt.doc, issue, tt.code, tt.text, tt.offset)
		if got := issue == nil && IsUsual(d.ID.Text); got != tt.usual {
			t.Errorf("%s: usual %v, want %v", tt.doc, got, tt.usual)
		}
	}
}

func checkIssue(t *testing.T, doc string, got *fhirmsg.Issue, code, text string, offset int64) {
	t.Helper()
	if got == nil {
		if text != "" {
			t.Errorf("%s: no issue, want %q", doc, text)
		}
		return
	}
	if text == "" || got.Severity != "error" || got.Code != code || !strings.Contains(got.Diagnostics, text) || got.Offset != offset {
		t.Errorf("%s: got %+v, want %s, %q at byte %d", doc, *got, code, text, offset)
	}
}

// TestMaker pins ids: a change of one is a new key for what was stored under the old one.
// The expected values are from another implementation of version 5 UUIDs.
func TestMaker(t *testing.T) {
	t.Parallel()
	m := NewMaker("clinic-a")
	if got, want := string(m.FromURL([]byte("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"))), "fdfb15bd-b16a-56fc-a84a-95c283179345"; got != want {
		t.Errorf("from a fullUrl: %s, want %s", got, want)
	}
	if got, want := string(m.FromContent("Patient", fhirmsg.Hash{})), "b7e85252-8893-5293-be2f-77691951ab32"; got != want {
		t.Errorf("from content: %s, want %s", got, want)
	}
	if other := NewMaker("clinic-b").FromURL([]byte("urn:uuid:1")); string(other) == string(m.FromURL([]byte("urn:uuid:1"))) {
		t.Error("two suppliers share an id")
	}
	for _, query := range []string{"b=x+y%7Cz&a=1&a=2", "a=2&b=x%20y|z&a=1", "%61=1&a=2&b=x y|z&c="} {
		got, err := m.FromCondition("Patient", query)
		if want := "079e1b9d-1dbe-5b72-bfd5-9b7a9516078a"; err != nil || string(got) != want {
			t.Errorf("from the condition %s: %s, %v; want %s", query, got, err, want)
		}
	}
	for _, query := range []string{"", "a=", "a=%zz", "a=1;b=2"} {
		if id, err := m.FromCondition("Patient", query); err == nil {
			t.Errorf("from the condition %q: %s, want an error", query, id)
		}
	}
	if usual := IsUsual(m.FromURL(nil)); !usual {
		t.Error("an id made here does not match FHIR's pattern")
	}
}
