package manifest_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/services/fetcher/internal/manifest"
)

func base(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse("https://a.example/bulk/manifest.json?job=1")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// shown is a manifest in short: a line for each file, and what else it says.
func shown(m manifest.Manifest) []string {
	var lines []string
	for _, f := range m.Files {
		kind := string(f.Kind)
		if f.Kind == manifest.Resources {
			kind = "resources"
		}
		what := f.Problem
		if f.URL != nil {
			what = f.URL.String()
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %d %d %s", kind, f.Place, f.Type, f.Count, f.Size, what))
	}
	if !m.TransactionTime.IsZero() {
		lines = append(lines, "at "+m.TransactionTime.Format(time.RFC3339Nano))
	}
	if m.Next != nil {
		lines = append(lines, "next "+m.Next.String())
	}
	for _, flag := range []struct {
		what string
		is   bool
	}{{"anonymous", m.Anonymous}, {"pending", m.Pending}, {"closed", m.Closed}} {
		if flag.is {
			lines = append(lines, flag.what)
		}
	}
	return lines
}

// TestDialects reads manifests as the specifications and their servers write them.
func TestDialects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file string
		want []string
	}{
		{"export-v2.json", []string{
			"resources output[0] Patient 3 -1 https://a.example/bulk/1.Patient.ndjson",
			"resources output[1] Patient -1 -1 https://files.example/2.Patient.ndjson?sig=a%2Fb",
			"deleted deleted[0] Bundle 1 -1 https://a.example/bulk/1.Patient.deleted.ndjson",
			"outcome error[0] OperationOutcome -1 -1 https://a.example/bulk/err.ndjson",
			"at 2026-01-01T11:00:00.123Z", "anonymous",
		}},
		{"export-stu3.json", []string{
			"resources output[0]  1000 -1 https://a.example/bulk/part1.ndjson",
			"resources output[1]  200 -1 https://a.example/bulk/part2.ndjson",
			"at 2026-01-01T12:00:00Z", "next https://a.example/bulk/manifest?page=2",
		}},
		{"export-stu4.json", []string{
			"resources output[0] Observation 5 1234 https://a.example/bulk/o.ndjson",
			"deleted deleted[0]  -1 -1 https://a.example/bulk/d.ndjson",
			"outcome outcome[0]  2 99 https://a.example/bulk/oo.ndjson",
			"at 2026-01-01T12:00:00Z",
		}},
		{"bulk-data-server.json", []string{
			"resources output[0] Observation 100 -1 https://a.example/eyJ/fs/3.Observation.ndjson",
			"resources output[1] Observation 41 -1 https://a.example/eyJ/fs/4.Observation.ndjson",
			"deleted deleted[0] Bundle 4 -1 https://a.example/eyJ/fs/4.Patient.deleted.ndjson",
			"at 2026-01-01T12:00:00.001Z",
		}},
		{"submit-provider.json", []string{
			"resources output[0] Patient 11 -1 https://provider.example/jobs/1/Patient.ndjson",
			"outcome error[0]  -1 -1 https://provider.example/jobs/1/errors.ndjson",
			"at 2026-01-01T12:00:00Z",
		}},
		{"publish-pending.json", []string{"at 2026-01-01T00:00:00Z", "anonymous", "pending"}},
		{"publish-closed.json", []string{
			"resources output[0] Organization -1 -1 https://a.example/bulk/files/orgs.ndjson", "at 2026-04-01T00:00:00Z", "closed",
		}},
		{"import.json", []string{
			"resources input[0] Patient -1 -1 https://a.example/bulk/Patient.ndjson",
			"resources input[1] Encounter -1 -1 https://a.example/bulk/Encounter.ndjson",
		}},
		{"import-inputs.json", []string{"resources inputs[0] Patient -1 -1 https://a.example/bulk/Patient.ndjson.gz"}},
		{"import-parameters.json", []string{
			"resources parameter[3] Patient -1 -1 https://a.example/bulk/Patient.ndjson",
			"resources parameter[4] Observation 7 -1 https://a.example/bulk/Observation.ndjson",
			"resources parameter[5]  -1 -1 parameter[5].url: missing",
		}},
		{"export-parameters.json", []string{
			"resources parameter[2] Patient 3 10 https://a.example/bulk/Patient.ndjson",
			"outcome parameter[3]  -1 -1 https://a.example/bulk/oo.ndjson",
			"at 2026-01-01T12:00:00Z", "next https://a.example/bulk/2", "anonymous",
		}},
	}
	for _, tt := range tests {
		content, err := os.ReadFile(filepath.Join("testdata", tt.file))
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Read(content, base(t))
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		if diff := cmp.Diff(tt.want, shown(m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.file, diff)
		}
	}
}

// TestLenient: what is not needed may be anything.
func TestLenient(t *testing.T) {
	t.Parallel()
	const plain = "resources output[0]  -1 -1 https://a.example/x"
	tests := []struct {
		name, content string
		want          []string
	}{
		{"nothing but files", `{"output":[{"url":"/x"}]}`, []string{plain}},
		{"byte order mark, space", "\ufeff \r\n" + `{"output":[{"url":"/x"}]}` + "\n", []string{plain}},
		{"lists of nothing", `{"output":null,"error":[],"deleted":null,"link":null}`, nil},
		{"extension as an object", `{"extension":{"a":1},"output":[{"url":"/x","extension":{"b":2}}]}`, []string{plain}},
		{"extension as a list", `{"extension":[{"url":"u"}],"output":[{"url":"/x","extension":[{}]}]}`, []string{plain}},
		{"numbers as text", `{"output":[{"url":"/x","count":"12","fileSize":3e2}]}`, []string{"resources output[0]  12 300 https://a.example/x"}},
		{"numbers that are none", `{"output":[{"url":"/x","count":-1,"fileSize":1.5},{"url":"/x","count":"many","fileSize":[1]},{"url":"/x","count":1e300}]}`, []string{
			plain, "resources output[1]  -1 -1 https://a.example/x", "resources output[2]  -1 -1 https://a.example/x",
		}},
		{"type that is none", `{"output":[{"url":"/x","type":{"a":1}}]}`, []string{plain}},
		{"tokens as text", `{"requiresAccessToken":"false","output":[{"url":"/x"}]}`, []string{plain, "anonymous"}},
		{"tokens unknown", `{"requiresAccessToken":null,"output":[{"url":"/x"}]}`, []string{plain}},
		{"time with an offset", `{"transactionTime":"2026-01-01T12:00:00+02:00","output":[]}`, []string{"at 2026-01-01T10:00:00Z"}},
		{"time that is none", `{"transactionTime":"yesterday","output":[]}`, nil},
		{"continues what is not there", `{"output":[{"url":"/x","continuesInFile":"y.ndjson"}]}`, []string{plain}},
		{"fragment", `{"output":[{"url":"/x#part"}]}`, []string{plain}},
		{"other links", `{"output":[],"link":[{"relation":"self","url":"/x"},{"relation":"next","url":"?page=2"}]}`, []string{
			"next https://a.example/bulk/manifest.json?page=2",
		}},
		{"entries without a place", `{"output":[{},7,"x",null,{"url":5},{"url":"ftp://a.example/x"},{"url":"s3://bucket/x"},{"url":"%zz"},{"url":"https:///x"}]}`, []string{
			"resources output[0]  -1 -1 output[0].url: missing",
			"resources output[1]  -1 -1 output[1].url: missing",
			"resources output[2]  -1 -1 output[2].url: missing",
			"resources output[3]  -1 -1 output[3].url: missing",
			"resources output[4]  -1 -1 https://a.example/bulk/5",
			"resources output[5]  -1 -1 output[5].url: not an http or https URL",
			"resources output[6]  -1 -1 output[6].url: not an http or https URL",
			"resources output[7]  -1 -1 output[7].url: not a URL",
			"resources output[8]  -1 -1 output[8].url: not an http or https URL",
		}},
		{"long URL", `{"output":[{"url":"/` + strings.Repeat("x", manifest.MaxURL) + `"}]}`, []string{
			"resources output[0]  -1 -1 output[0].url: longer than 16384 bytes",
		}},
	}
	for _, tt := range tests {
		m, err := manifest.Read([]byte(tt.content), base(t))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, shown(m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestNoManifest(t *testing.T) {
	t.Parallel()
	parts := strings.Repeat(`{"name":"x"},`, 101)
	tests := []struct{ name, content, want string }{
		{"nothing", "", "the JSON ends in its middle"},
		{"a page of HTML", "<html>secret", "not JSON at byte 1"},
		{"a list", "[]", "expected an object"},
		{"cut", `{"output":[{"url":"secret"}`, "the JSON ends in its middle"},
		{"cut in a text", `{"output":[{"url":"sec`, "the JSON ends in its middle"},
		{"broken", `{"output":[{"url":secret}]}`, "not JSON at byte"},
		{"no comma", `{"output":[] "link":[]}`, "not JSON at byte"},
		{"two", `{"output":[]}{"output":[]}`, "more than one JSON value"},
		{"brackets too many", `{"output":[]}]`, "more than one JSON value"},
		{"a resource", `{"resourceType":"OperationOutcome","issue":[]}`, "resourceType: expected a manifest"},
		{"any object", `{"secret":1}`, "it lists no files"},
		{"output that is no list", `{"output":{"url":"secret"}}`, "output: expected a list"},
		{"two next", `{"output":[],"link":[{"relation":"next","url":"/a"},{"relation":"next","url":"/b"}]}`, "link[1]: more than one link to a next manifest"},
		{"next without a place", `{"output":[],"link":[{"relation":"next"}]}`, "link[0].url: missing"},
		{"next elsewhere", `{"output":[],"link":[{"relation":"next","url":"file:///secret"}]}`, "link[0].url: not an http or https URL"},
		{"too many files", `{"output":[` + strings.Repeat("{},", manifest.MaxFiles) + `{}]}`, "output[100000]: more than 100000 files"},
		{"too large", `{"output":[]` + strings.Repeat(" ", manifest.MaxSize) + `}`, "more than 33554432 bytes"},
		{"too many parts", `{"resourceType":"Parameters","parameter":[{"name":"input","part":[` + parts + `{}]}]}`, "parameter[0].part: more than 100"},
		{"parts that are none", `{"resourceType":"Parameters","parameter":[{"name":"input","part":{}}]}`, "parameter[0].part: expected a list"},
		{"too deep", `{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `,"output":[]}`, "not JSON at byte"},
	}
	for _, tt := range tests {
		_, err := manifest.Read([]byte(tt.content), base(t))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// FuzzRead: no manifest does harm, and what is taken of one can be used.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte(`{"output":[{"url":"//b\\c/../%2e?#"},{"url":"https://u:p@h:99999/"}],"link":[{"relation":"next","url":"#"}]}`))
	at := base(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := manifest.Read(content, at)
		if err != nil {
			if len(m.Files) > 0 {
				t.Error("files besides an error")
			}
			return
		}
		if m.Next != nil && (m.Pending || m.Closed) {
			t.Error("more than one next")
		}
		for _, file := range m.Files {
			if (file.URL == nil) == (file.Problem == "") || file.Count < -1 || file.Size < -1 || file.Place == "" {
				t.Errorf("%+v", file)
			}
			if u := file.URL; u != nil && (u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "") {
				t.Errorf("URL %q", u)
			}
		}
	})
}

func TestPart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		request string
		types   []string
		want    string // "" is all
	}{
		{"", nil, ""},
		{"https://a/$export", nil, ""},
		{"https://a/$export?_outputFormat=ndjson&includeAssociatedData=x", nil, ""},
		{"https://a/$export?_since=2026-01-01T00:00:00Z", nil, "_since"},
		{"https://a/$export?_typeFilter=Patient%3Fx", []string{"Patient"}, "_typeFilter"},
		{"https://a/$export?_type=Patient", nil, "name these types"},
		{"https://a/$export?_type=Patient,Group&_type=Observation", []string{"Group", "Observation"}, ""},
		{"https://a/$export?_type=Patient", []string{"Patient", "Group"}, "not asked for Group"},
		{"%", nil, ""},
	} {
		if got := (manifest.Manifest{Request: tt.request}).Part(tt.types); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s, types %v: %q, want %q", tt.request, tt.types, got, tt.want)
		}
	}
}
