package source

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// TestExportOfAPart: an export that must be of all that there is, and was asked for with less, says so, whether or not its
// manifest does.
func TestExportOfAPart(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"transactionTime":"2026-01-01T00:00:00Z","requiresAccessToken":false,"output":[]}`) // else the client went away
	}))
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		name, value string // of the parameter
		whole       bool
		types       []string
		want        string // a part of what is said
	}{
		{"_type", "Patient", false, nil, ""},
		{"_outputFormat", "ndjson", true, nil, ""},
		{"_type", "Patient,Group", true, []string{"Group"}, ""},
		{"_type", "Patient", true, nil, "name these types"},
		{"_type", "Patient", true, []string{"Group"}, "not asked for Group"},
		{"patient", "Patient/1", true, nil, "asked for with patient"},
		{"_since", "2026-01-01T00:00:00Z", true, nil, "asked for with _since"},
		{"_typeFilter", "Patient?active=true", true, []string{"Patient"}, "asked for with _typeFilter"},
	} {
		e := &fhirmsg.Export{URL: server.URL + "/$export"}
		e.Add(tt.name, tt.value)
		got, err := ListExport(t.Context(), fhirmsg.Source{Export: e}, server.URL, Config{Whole: tt.whole, Types: tt.types})
		if err != nil {
			t.Fatal(err)
		}
		var said string
		for _, s := range got.Skipped {
			said += s.Reason
		}
		if !strings.Contains(said, tt.want) || (said == "") != (tt.want == "") {
			t.Errorf("%s=%s, whole %v of %v: %q, want %q", tt.name, tt.value, tt.whole, tt.types, said, tt.want)
		}
	}
}
