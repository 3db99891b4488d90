package kickoff

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func TestRead(t *testing.T) {
	t.Parallel()
	files := []fhirmsg.Source{{URL: "https://a/1", Type: "Patient"}, {URL: "https://a/2", Type: "Observation"}}
	mends, err := fhirmsg.ParseImportID("01890a5d-ac96-774b-bcce-b302099a8057")
	if err != nil {
		t.Fatal(err)
	}
	declared := Declared{Snapshot: new(true), SnapshotTypes: []string{"Patient", "Group"}, MaxDeletes: "2%", Mends: mends}
	for _, tt := range []struct {
		name, body string
		want       Request
	}{
		{"static", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/m"},{"name":"exportType","valueCode":"static"}]}`,
			Request{Sources: []fhirmsg.Source{{Manifest: "https://a/m"}}}},
		{"dynamic", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/fhir/Group/7/$export?_type=Patient&_type=Observation#x"},{"name":"exportType","valueCode":"dynamic"},
			{"name":"_since","valueInstant":"2026-01-01T00:00:00Z"},{"name":"patient","valueReference":{"reference":"Patient/1"}},{"name":"allowPartialManifests","valueBoolean":true},{"name":"_own","valueInteger":7}]}`,
			Request{Base: "https://a/fhir", Sources: []fhirmsg.Source{{Export: &fhirmsg.Export{URL: "https://a/fhir/Group/7/$export", Parameters: []fhirmsg.ExportParameter{
				{Name: "_type", Value: "Patient"}, {Name: "_type", Value: "Observation"}, {Name: "_since", Value: "2026-01-01T00:00:00Z"},
				{Name: "patient", Value: "Patient/1"}, {Name: "allowPartialManifests", Value: "true"}, {Name: "_own", Value: "7"}}}}}}},
		{"no type, which is dynamic", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/fhir/$export"}]}`,
			Request{Base: "https://a/fhir", Sources: []fhirmsg.Source{{Export: &fhirmsg.Export{URL: "https://a/fhir/$export"}}}}},
		{"dynamic, of all that there is", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/fhir/$export"},{"name":"_type","valueString":"Patient"},{"name":"snapshot","valueBoolean":true}]}`,
			Request{Base: "https://a/fhir", Declared: Declared{Snapshot: new(true)}, Sources: []fhirmsg.Source{{Export: &fhirmsg.Export{URL: "https://a/fhir/$export",
				Parameters: []fhirmsg.ExportParameter{{Name: "_type", Value: "Patient"}}}}}}},
		{"values as the reference client sends them", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueString":"https://a/m"},{"name":"exportType","valueString":"static"}]}`,
			Request{Sources: []fhirmsg.Source{{Manifest: "https://a/m"}}}},
		{"manifest form", `{"inputFormat":"application/fhir+ndjson","inputSource":"https://a/fhir","storageDetail":{"type":"https","contentEncoding":["gzip"]},
			"input":[{"type":"Patient","url":"https://a/1"},{"type":"Observation","url":"https://a/2"}]}`, Request{Sources: files, Base: "https://a/fhir"}},
		{"inputs", `{"contentEncoding":"gzip","inputs":[{"resourceType":"Patient","url":"https://a/1"},{"resourceType":"Observation","url":"https://a/2"}]}`, Request{Sources: files}},
		{"Parameters of files", `{"resourceType":"Parameters","parameter":[{"name":"inputFormat","valueCode":"application/fhir+ndjson"},{"name":"inputSource","valueUri":"urn:x"},
			{"name":"storageDetail","part":[{"name":"type","valueCode":"https"},{"name":"maxBatchResourceCount","valueString":"500"}]},
			{"name":"input","part":[{"name":"type","valueCode":"Patient"},{"name":"url","valueUri":"https://a/1"}]},
			{"name":"input","part":[{"name":"type","valueCode":"Observation"},{"name":"url","valueUrl":"https://a/2"}]}]}`, Request{Sources: files}},
		{"a snapshot that mends", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/m"},{"name":"exportType","valueCode":"static"},
			{"name":"snapshot","valueBoolean":true},{"name":"snapshotType","valueCode":"Patient"},{"name":"snapshotType","valueCode":"Group"},{"name":"maxDeletes","valueString":"2%"},
			{"name":"mends","valueString":"01890a5d-ac96-774b-bcce-b302099a8057"}]}`, Request{Sources: []fhirmsg.Source{{Manifest: "https://a/m"}}, Declared: declared}},
		{"the same of files", `{"input":[{"type":"Patient","url":"https://a/1"},{"type":"Observation","url":"https://a/2"}],
			"snapshot":true,"snapshotType":["Patient","Group"],"maxDeletes":"2%","mends":"01890a5d-ac96-774b-bcce-b302099a8057"}`, Request{Sources: files, Declared: declared}},
	} {
		got, err := Read("application/json; charset=utf-8", []byte(tt.body))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	pull := func(more string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/secret"}` + more + `]}`
	}
	for _, tt := range []struct{ name, body, want string }{
		{"not JSON", `{"a":`, "not JSON"},
		{"a list", `[]`, "not expected"},
		{"another resource", `{"resourceType":"Bundle"}`, "must be Parameters"},
		{"a snapshot, perhaps", pull(`,{"name":"exportType","valueCode":"static"},{"name":"snapshot","valueString":"perhaps"}`), "valueBoolean"},
		{"mends what is no import", pull(`,{"name":"exportType","valueCode":"static"},{"name":"mends","valueString":"1"}`), "mends"},
		{"nothing", `{}`, "at least one file"},
		{"no parameters", `{"resourceType":"Parameters"}`, "exportUrl"},
		{"a parameter without a name", `{"resourceType":"Parameters","parameter":[{"valueCode":"x"}]}`, "parameter[0]"},
		{"a number for a URL", `{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueInteger":1}]}`, "exportUrl"},
		{"two URLs", pull(`,{"name":"exportUrl","valueUrl":"https://b"}`), "once"},
		{"another type", pull(`,{"name":"exportType","valueCode":"other"}`), "must be dynamic or static"},
		{"a parameter without a value", pull(`,{"name":"_type"}`), "_type: must have a value"},
		{"a time that is none", pull(`,{"name":"_since","valueInstant":"secret"}`), "_since: must be a time"},
		{"a list for a value", pull(`,{"name":"_type","valueX":["secret"]}`), "_type: must have a value"},
		{"static with parameters", pull(`,{"name":"exportType","valueCode":"static"},{"name":"_type","valueString":"Patient"}`), "_type"},
		{"ftp", `{"input":[{"type":"Patient","url":"ftp://a/secret"}]}`, "input[0].url"},
		{"a user", `{"input":[{"type":"Patient","url":"https://u:secret@a/1"}]}`, "credentials"},
		{"twice", `{"input":[{"url":"https://a/secret"},{"url":"https://a/secret"}]}`, "input[1].url"},
		{"another format", `{"inputFormat":"text/csv","input":[{"url":"https://a/secret"}]}`, "inputFormat"},
		{"a bucket", `{"storageDetail":{"type":"aws-s3"},"input":[{"url":"https://a/secret"}]}`, "storageDetail"},
		{"too many", `{"input":[{}` + strings.Repeat(`,{}`, fhirmsg.MaxSources) + `]}`, "more than"},
	} {
		_, err := Read("application/fhir+json", []byte(tt.body))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := Read("text/plain", []byte(`{}`)); !errors.Is(err, ErrMediaType) {
		t.Errorf("text: %v", err)
	}
}

// TestReadNested: parts of parts are refused before each level costs all that is in it once more. It is not parallel, to measure
// what it takes itself.
func TestReadNested(t *testing.T) {
	const levels = 1_000
	body := []byte(`{"resourceType":"Parameters","parameter":[` + strings.Repeat(`{"name":"x","part":[`, levels) +
		`{"name":"x","valueString":"` + strings.Repeat("x", 1<<20) + `"}` + strings.Repeat(`]}`, levels) + `]}`)
	for name, read := range map[string]func() error{
		"$import":      func() error { _, err := Read("application/fhir+json", body); return err },
		"$bulk-submit": func() error { _, err := ReadSubmit("application/fhir+json", body); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || err.Error() != "parameter[0]: its parts must have no parts" || took > 32<<20 {
			t.Errorf("%s: %v, after %d bytes", name, err, took)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Parameters","parameter":[{"name":"exportUrl","valueUrl":"https://a/m"},{"name":"x","part":[{"name":"y"}]}]}`))
	f.Add([]byte(`{"input":[{"type":"Patient","url":"https://a/1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Read("application/fhir+json", body)
		if (err == nil) != (len(r.Sources) > 0) {
			t.Errorf("%d sources, %v", len(r.Sources), err)
		}
	})
}
