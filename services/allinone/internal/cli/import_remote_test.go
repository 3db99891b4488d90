package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

func TestRemote(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("Authorization: Bearer a:b\r\n\nX-Key:k\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, url := fhirmsg.Source{Path: "/x"}, fhirmsg.Source{URL: "http://a/x"}
	token, key := fhirmsg.Header{Name: "Authorization", Value: "Bearer a:b"}, fhirmsg.Header{Name: "X-Key", Value: "k"}
	tests := []struct {
		name    string
		flags   importFlags
		sources []fhirmsg.Source
		want    []fhirmsg.Source
		err     string
	}{
		{"none", importFlags{}, []fhirmsg.Source{path, url}, []fhirmsg.Source{path, url}, ""},
		{"manifest", importFlags{manifests: []string{"https://a/m"}}, nil, []fhirmsg.Source{{Manifest: "https://a/m"}}, ""},
		{"headers", importFlags{headers: []string{"X-Key: k"}}, []fhirmsg.Source{path, url},
			[]fhirmsg.Source{path, {URL: "http://a/x", Headers: []fhirmsg.Header{key}}}, ""},
		{"a file of headers", importFlags{manifests: []string{"https://a/m"}, headers: []string{"@" + file}}, nil,
			[]fhirmsg.Source{{Manifest: "https://a/m", Headers: []fhirmsg.Header{token, key}}}, ""},
		{"an export", importFlags{
			export: exportFlags{server: "https://a/fhir/", group: "7 8", types: []string{"Patient"}, since: "2026-01-01T00:00:00Z", patients: []string{"1"}, params: []string{"x=y=z"}}, headers: []string{"X-Key: k"},
		}, nil, []fhirmsg.Source{{Headers: []fhirmsg.Header{key}, Export: &fhirmsg.Export{URL: "https://a/fhir/Group/7%208/$export", Parameters: []fhirmsg.ExportParameter{
			{Name: "_type", Value: "Patient"}, {Name: "_since", Value: "2026-01-01T00:00:00Z"}, {Name: "patient", Value: "Patient/1"}, {Name: "x", Value: "y=z"}}}}}, ""},
		{"an export of patients", importFlags{export: exportFlags{server: "https://a", patientLevel: true}}, nil, []fhirmsg.Source{{Export: &fhirmsg.Export{URL: "https://a/Patient/$export"}}}, ""},
		{"an export of nothing", importFlags{export: exportFlags{server: "secret"}}, nil, nil, "want the base URL"},
		{"an export of a time that is none", importFlags{export: exportFlags{server: "https://a", since: "secret"}}, nil, nil, "_since: must be a time"},
		{"an export with half a parameter", importFlags{export: exportFlags{server: "https://a", params: []string{"secret"}}}, nil, nil, "want NAME=VALUE"},
		{"no URL", importFlags{manifests: []string{"secret"}}, nil, nil, "want a URL"},
		{"for nothing", importFlags{headers: []string{"X-Key: secret"}}, []fhirmsg.Source{path}, nil, "none is named"},
		{"no name", importFlags{headers: []string{"secret"}}, []fhirmsg.Source{url}, nil, `want "Name: value"`},
		{"another's", importFlags{headers: []string{"Host: secret"}}, []fhirmsg.Source{url}, nil, "Host is not for others to set"},
		{"control characters", importFlags{headers: []string{"X: secret\x01"}}, []fhirmsg.Source{url}, nil, "the value of X has control characters"},
		{"no file", importFlags{headers: []string{"@" + file + "x"}}, []fhirmsg.Source{url}, nil, "no such file"},
	}
	for _, tt := range tests {
		got, err := tt.flags.remote(tt.sources)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
