package export

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func sample() fhirmsg.Export {
	e := fhirmsg.Export{URL: "https://a/fhir/$export"}
	e.Add("_since", "2026-01-01T00:00:00Z")
	e.Add("_type", "Patient,Observation", "Encounter")
	e.Add("_typeFilter", "Observation?code=a,b", "Encounter?x=1")
	e.Add("includeAssociatedData", "LatestProvenanceResources")
	e.Add("patient", "Patient/1", "Patient/2")
	e.Add("allowPartialManifests", "true")
	e.Add("_own", "x y")
	return e
}

// TestParameters: what is asked for, in both forms, one with comma lists and one without.
func TestParameters(t *testing.T) {
	t.Parallel()
	e := sample()
	got, err := url.ParseQuery(query(e))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"_since": {"2026-01-01T00:00:00Z"}, "_type": {"Patient,Observation,Encounter"}, "_typeFilter": {"Observation?code=a,b", "Encounter?x=1"},
		"includeAssociatedData": {"LatestProvenanceResources"}, "patient": {"Patient/1", "Patient/2"}, "allowPartialManifests": {"true"}, "_own": {"x y"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	const wantBody = `{"parameter":[{"name":"_since","valueInstant":"2026-01-01T00:00:00Z"},{"name":"_type","valueString":"Patient"},` +
		`{"name":"_type","valueString":"Observation"},{"name":"_type","valueString":"Encounter"},{"name":"_typeFilter","valueString":"Observation?code=a,b"},` +
		`{"name":"_typeFilter","valueString":"Encounter?x=1"},{"name":"includeAssociatedData","valueCode":"LatestProvenanceResources"},` +
		`{"name":"patient","valueReference":{"reference":"Patient/1"}},{"name":"patient","valueReference":{"reference":"Patient/2"}},` +
		`{"name":"allowPartialManifests","valueBoolean":true},{"name":"_own","valueString":"x y"}],"resourceType":"Parameters"}`
	if diff := cmp.Diff(wantBody, string(body(e))); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if got := string(body(fhirmsg.Export{})); got != `{"resourceType":"Parameters"}` {
		t.Errorf("a body without parameters: %s", got)
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for progress, want := range map[string]int{
		"": 0, "45%": 45, "in progress: 45.5 % of 3 files": 45, "100%": 100, "999%": 0, "1234%": 0, "building": 0, "7 of 9": 0,
	} {
		if got := percentOf(progress); got != want {
			t.Errorf("%q: %d, want %d", progress, got, want)
		}
	}
}

// TestOutcome: of what a server says, nothing that may identify somebody is repeated.
func TestOutcome(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`[{"code":"processing"}]`: "processing",
		`[{"severity":"error","code":"processing","diagnostics":"Erika asked","details":{"text":"Erika asked"}}]`:   "error processing",
		`[{"severity":"error","code":"x"},{"severity":"error","code":"x"},{"severity":"warning","code":"y"}]`:       "error x; warning y",
		`[{"code":"a"},{"code":"b"},{"code":"c"},{"code":"d"}]`:                                                     "a; b; c",
		`[{"severity":"Erika","code":"Patient/1"},{"code":"born 1970"},{"code":"` + strings.Repeat("x", 33) + `"}]`: "",
		`[]`: "",
	} {
		if got := readOutcome([]byte(`{"resourceType":"OperationOutcome","issue":` + content + `}`)).String(); got != want {
			t.Errorf("%s: %q, want %q", content, got, want)
		}
	}
	if readOutcome([]byte(`{"resourceType":"Bundle"}`)) != nil || readOutcome([]byte(`<html>`)) != nil {
		t.Error("what is no OperationOutcome is taken for one")
	}
	if got := Codes([]byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"x"},{"severity":"error","code":"x"},{"code":"No Code"}]}`)); !cmp.Equal(got, []string{"error x"}) {
		t.Errorf("codes %q", got)
	}
}

func FuzzOutcome(f *testing.F) {
	f.Add([]byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient","details":{"text":"a"},"diagnostics":"b 12345"}]}`))
	f.Add([]byte(`{"resourceType":"OperationOutcome","issue":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		o := readOutcome(content)
		if o == nil {
			return
		}
		o.passes()
		if s := o.String(); utf8.RuneCountInString(s) > maxIssues*80 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\n\r\x1b") {
			t.Errorf("it says %q", s)
		}
		Codes(content)
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("https://a/jobs/1?x=y#z", "")
	f.Add("//u:p@b/1", "/jobs/1")
	f.Fuzz(func(t *testing.T, contentLocation, location string) {
		at, err := url.Parse("https://a/fhir/$export")
		if err != nil {
			t.Fatal(err)
		}
		a := answer{status: 202, at: at, header: http.Header{"Content-Location": {contentLocation}, "Location": {location}}}
		u, err := a.place()
		if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "") {
			t.Errorf("%q and %q: %s", contentLocation, location, u)
		}
	})
}

// TestPlace: what https was asked for does not go on in the clear.
func TestPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		at, named string
		ok        bool
	}{
		{"https://a/fhir/$export", "/jobs/1", true},
		{"https://a/fhir/$export", "https://b/jobs/1", true},
		{"https://a/fhir/$export", "http://a/jobs/1", false},
		{"http://a/fhir/$export", "https://a/jobs/1", true},
	} {
		at, err := url.Parse(tt.at)
		if err != nil {
			t.Fatal(err)
		}
		a := answer{status: 202, at: at, header: http.Header{"Content-Location": {tt.named}}}
		if _, err := a.place(); (err == nil) != tt.ok {
			t.Errorf("%s names %s: %v", tt.at, tt.named, err)
		}
	}
}
