package kickoff

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// named is a request with the two parameters that every one has, and others.
func named(others string) string {
	return `{"resourceType":"Parameters","parameter":[{"name":"submitter","valueIdentifier":{"system":"https://a/submitters","value":"clinic"}},
		{"name":"submissionId","valueString":"2026-05"}` + others + `]}`
}

const (
	manifestOnly = `,{"name":"manifestUrl","valueUrl":"https://a/m"},{"name":"fhirBaseUrl","valueUrl":"https://a/fhir"}`
	statusSystem = `"http://hl7.org/fhir/event-status"`
	draftSystem  = `"http://hl7.org/fhir/uv/bulkdata/ValueSet/submission-status"`
)

func status(system, code string) string {
	return `,{"name":"submissionStatus","valueCoding":{"system":` + system + `,"code":"` + code + `"}}`
}

func TestReadSubmit(t *testing.T) {
	t.Parallel()
	first := Submission{Submitter: Submitter{"https://a/submitters", "clinic"}, ID: "2026-05"}
	with := func(change func(*Submission)) Submission {
		s := first
		change(&s)
		return s
	}
	ballot := func(s *Submission) { s.Manifest, s.Base = "https://a/m", "https://a/fhir" }
	for _, tt := range []struct {
		name, others string
		want         Submission
	}{
		{"a manifest, as the ballot has it", manifestOnly, with(ballot)},
		{"in progress", manifestOnly + status(statusSystem, "in-progress"), with(func(s *Submission) { ballot(s); s.Status = InProgress })},
		{"completed", status(statusSystem, "completed"), with(func(s *Submission) { s.Status = Completed })},
		{"stopped, with what is not to be fetched any more", manifestOnly + status(statusSystem, "stopped"),
			with(func(s *Submission) { s.Status, s.Base = Stopped, "https://a/fhir" })},
		{"all at once", manifestOnly + status(statusSystem, "completed"), with(func(s *Submission) { ballot(s); s.Status = Completed })},
		{"a manifest, as the draft's provider sends it", `,{"name":"manifestUrl","valueString":"https://a/m"},{"name":"FHIRBaseUrl","valueString":"https://a/fhir"}` +
			status(draftSystem, "in-progress"), with(func(s *Submission) { ballot(s); s.Status, s.Draft = InProgress, true })},
		{"complete", status(draftSystem, "complete"), with(func(s *Submission) { s.Status, s.Draft = Completed, true })},
		{"aborted, under the ballot's system", status(statusSystem, "aborted"), with(func(s *Submission) { s.Status, s.Draft = Stopped, true })},
		{"a code without a system", `,{"name":"submissionStatus","valueCode":"completed"}`, with(func(s *Submission) { s.Status = Completed })},
		{"one in the place of another", manifestOnly + `,{"name":"replacesManifestUrl","valueUrl":"https://a/old"}`,
			with(func(s *Submission) { ballot(s); s.Replaces = "https://a/old" })},
		{"nothing in the place of another", `,{"name":"replacesManifestUrl","valueUri":"https://a/old"}`, with(func(s *Submission) { s.Replaces = "https://a/old" })},
		{"headers", manifestOnly + `,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"authorization"},{"name":"headerValue","valueString":"Bearer t"}]},
			{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"X-Key"},{"name":"headerValue","valueString":"k"}]}`,
			with(func(s *Submission) {
				ballot(s)
				s.Headers = []fhirmsg.Header{{Name: "authorization", Value: "Bearer t"}, {Name: "X-Key", Value: "k"}}
			})},
		{"formats", manifestOnly + `,{"name":"outputFormat","valueString":"application/fhir+ndjson; fhirVersion=4.0"}`, with(ballot)},
		{"metadata of tokens, and of the submission", manifestOnly + `,{"name":"oauthMetadataUrl","valueUrl":"https://a/.well-known/smart-configuration"},
			{"name":"metadata","part":[{"name":"parameterUrl","valueUri":"https://a/x"},{"name":"parameterValue","valueString":"y"}]}`,
			with(func(s *Submission) {
				ballot(s)
				s.OAuth, s.Ignored = []string{"https://a/.well-known/smart-configuration"}, []string{"metadata"}
			})},
		{"import", manifestOnly + `,{"name":"import","part":[{"name":"parameterUrl","valueUri":"` + ImportParameters + `mode"},{"name":"parameterValue","valueString":"sync"}]},
			{"name":"import","part":[{"name":"` + ImportParameters + `validation","valueString":"strict"},{"name":"` + ImportParameters + `max-rejects","valueString":"5%"}]}`,
			with(func(s *Submission) { ballot(s); s.Mode, s.Validation, s.MaxRejects = "sync", "strict", "5%" })},
	} {
		got, err := ReadSubmit("application/fhir+json", []byte(named(tt.others)))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
	if _, err := ReadSubmit("application/json; charset=utf-8", []byte(named(manifestOnly))); err != nil {
		t.Errorf("as JSON: %v", err)
	}
}

func TestReadSubmitRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"not JSON", `{"a":`, "not JSON"},
		{"another resource", `{"resourceType":"Bundle"}`, "must be Parameters"},
		{"no submitter", `{"resourceType":"Parameters","parameter":[{"name":"submissionId","valueString":"1"}]}`, "submitter.value: is missing"},
		{"a submitter that is none", `{"resourceType":"Parameters","parameter":[{"name":"submitter","valueString":"secret"},{"name":"submissionId","valueString":"1"}]}`, "valueIdentifier"},
		{"no id", `{"resourceType":"Parameters","parameter":[{"name":"submitter","valueIdentifier":{"value":"a"}}]}`, "submissionId: is missing"},
		{"two ids", named(manifestOnly + `,{"name":"submissionId","valueString":"secret"}`), "submissionId: more than 1"},
		{"a long id", strings.Replace(named(manifestOnly), "2026-05", strings.Repeat("x", 257), 1), "submissionId: is longer"},
		{"an id that cannot be kept", strings.Replace(named(manifestOnly), "2026-05", `secret\u0000`, 1), "not text"},
		{"nothing to do", named(""), "expected manifestUrl or submissionStatus"},
		{"a name that is spelt wrongly", named(manifestOnly + `,{"name":"replaceManifestUrl","valueUrl":"https://a/secret"}`), "parameter[4]: has a name that is not known"},
		{"no base", named(`,{"name":"manifestUrl","valueUrl":"https://a/secret"}`), "fhirBaseUrl: must be there"},
		{"a base that is none", named(`,{"name":"manifestUrl","valueUrl":"https://a/m"},{"name":"fhirBaseUrl","valueUrl":"secret"}`), "fhirBaseUrl: must be the URL"},
		{"a URL that is none", named(`,{"name":"manifestUrl","valueUrl":"file:///secret"}`), "manifestUrl"},
		{"a user in a URL", named(`,{"name":"manifestUrl","valueUrl":"https://u:secret@a/m"}`), "must hold no user"},
		{"a long URL", named(`,{"name":"manifestUrl","valueUrl":"https://a/` + strings.Repeat("x", 16<<10) + `"}`), "longer than"},
		{"a manifest that replaces itself", named(manifestOnly + `,{"name":"replacesManifestUrl","valueUrl":"https://a/m"}`), "a URL of its own"},
		{"another status", named(status(statusSystem, "suspended")), "submissionStatus: must be"},
		{"another system", named(status(`"https://a/secret"`, "completed")), "the system must be"},
		{"a status that is none", named(`,{"name":"submissionStatus","valueCoding":[]}`), "valueCoding"},
		{"another format", named(manifestOnly + `,{"name":"outputFormat","valueString":"text/csv"}`), "outputFormat: must be"},
		{"another version of FHIR", named(manifestOnly + `,{"name":"outputFormat","valueString":"application/fhir+ndjson;fhirVersion=5.0"}`), "fhirVersion=4.0"},
		{"a header that is none", named(manifestOnly + `,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"a b"},{"name":"headerValue","valueString":"secret"}]}`), "fileRequestHeader"},
		{"a header that is ours", named(manifestOnly + `,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"Host"},{"name":"headerValue","valueString":"secret"}]}`), "not for others"},
		{"two lines in a header", named(manifestOnly + `,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"X"},{"name":"headerValue","valueString":"secret\r\nY: z"}]}`), "control characters"},
		{"a long header", named(manifestOnly + `,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"X"},{"name":"headerValue","valueString":"` + strings.Repeat("x", 8<<10) + `"}]}`), "longer than"},
		{"too many headers", named(manifestOnly + strings.Repeat(`,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"X"}]}`, 33)), "fileRequestHeader: more than 32"},
		{"too much", named(strings.Repeat(`,{"name":"metadata"}`, 200)), "more than 200"},
		{"no URL of tokens", named(manifestOnly + `,{"name":"oauthMetadataUrl","valueUrl":"secret"}`), "oauthMetadataUrl"},
		{"an import parameter that there is not", named(manifestOnly + `,{"name":"import","part":[{"name":"https://a/secret","valueString":"x"}]}`), "import: is none of"},
		{"one without its beginning", named(manifestOnly + `,{"name":"import","part":[{"name":"mode","valueString":"sync"}]}`), "import: is none of"},
		{"another mode", named(manifestOnly + `,{"name":"import","part":[{"name":"` + ImportParameters + `mode","valueString":"secret"}]}`), "import: mode: must be"},
	} {
		_, err := ReadSubmit("application/fhir+json", []byte(tt.body))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := ReadSubmit("text/plain", nil); !errors.Is(err, ErrMediaType) {
		t.Errorf("text: %v", err)
	}
	encrypted := named(manifestOnly + `,{"name":"fileEncryptionKey","part":[{"name":"value","valueString":"eyJ"}]}`)
	if _, err := ReadSubmit("application/json", []byte(encrypted)); !errors.Is(err, ErrEncrypted) {
		t.Errorf("encrypted: %v", err)
	}
}

func TestReadSubmitStatus(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"", "ndjson", "application/fhir+ndjson"} {
		who, id, err := ReadSubmitStatus("application/json", []byte(named(fmt.Sprintf(`,{"name":"_outputFormat","valueString":%q}`, format))))
		if err != nil || id != "2026-05" || who != (Submitter{"https://a/submitters", "clinic"}) {
			t.Errorf("%q: %v, %s, %v", format, who, id, err)
		}
	}
	for _, others := range []string{manifestOnly, `,{"name":"_outputFormat","valueString":"text/csv"}`} {
		if _, _, err := ReadSubmitStatus("application/json", []byte(named(others))); err == nil {
			t.Errorf("%s is taken", others)
		}
	}
}

// FuzzReadSubmit: what is taken is whole and within its limits, and an error repeats nothing.
func FuzzReadSubmit(f *testing.F) {
	f.Add([]byte(named(manifestOnly)))
	f.Add([]byte(named(status(draftSystem, "aborted"))))
	f.Add([]byte(named(manifestOnly + `,{"name":"import","part":[{"name":"` + ImportParameters + `mode","valueString":"sync"}]}`)))
	f.Add([]byte(named(`,{"name":"fileRequestHeader","part":[{"name":"headerName","valueString":"a"},{"name":"headerValue","valueString":"b"}]}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ReadSubmit("application/fhir+json", body)
		if err != nil {
			return
		}
		switch {
		case s.ID == "" || s.Submitter.Value == "" || len(s.ID) > maxSubmitted || len(s.Manifest) > maxURL || len(s.Headers) > maxRequestHeaders:
			t.Errorf("%+v", s)
		case s.Manifest == "" && s.Replaces == "" && s.Status == "":
			t.Errorf("a request of nothing: %+v", s)
		case s.Status == Stopped && s.Manifest != "":
			t.Errorf("fetched though stopped: %+v", s)
		}
		for _, h := range s.Headers {
			if err := h.Check(); err != nil {
				t.Error(err)
			}
		}
		if strings.ContainsRune(s.ID+s.Manifest+s.Replaces+s.Submitter.System+s.Submitter.Value, 0) {
			t.Error("what the database does not take")
		}
	})
}

// TestDocumented: the requests of docs/bulk-submit.md are taken.
func TestDocumented(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "bulk-submit.md"))
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, call := range strings.Split(string(content), "curl -i https://stoker.example.org/fhir/")[1:] {
		_, body, _ := strings.Cut(call, "-d '")
		body, _, _ = strings.Cut(body, "'\n")
		if strings.HasPrefix(call, `\$bulk-submit-status `) {
			_, _, err = ReadSubmitStatus("application/fhir+json", []byte(body))
		} else {
			_, err = ReadSubmit("application/fhir+json", []byte(body))
		}
		if err != nil {
			t.Errorf("%v:\n%s", err, call)
		}
		taken++
	}
	if taken != 4 {
		t.Errorf("%d requests", taken)
	}
	for name := range submitParameters {
		if !strings.Contains(string(content), "`"+name+"`") {
			t.Errorf("docs/bulk-submit.md lacks the parameter %s", name)
		}
	}
}
