package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoker-fhir/stoker/pkg/telemetry"
	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi/openapitest"
)

// TestOpenAPI: the document that is served and the routes that are registered are the same, in both directions, and the
// document is one by the specification.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	got := f.do(http.MethodGet, openAPIPath, "", "")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != typeJSON {
		t.Fatalf("%d %s: %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	checker, err := openapitest.New([]byte(got.body))
	check(t, err)
	mounted := telemetry.Handler(prometheus.NewRegistry(), nil).(*http.ServeMux)
	described := checker.Operations()
	for _, pattern := range described {
		method, path, _ := strings.Cut(pattern, " ")
		r := httptest.NewRequest(method, pathName.ReplaceAllString(path, "x"), nil)
		_, registered := f.mux.Handler(r)
		if registered == "/" {
			_, registered = mounted.Handler(r)
		}
		if registered != pattern {
			t.Errorf("%s is described, and what is asked so is served by %q", pattern, registered)
		}
	}
	for _, r := range f.routes() {
		if !slices.Contains(described, r.pattern) {
			t.Errorf("%s is served, and not described", r.pattern)
		}
	}
	if len(described) != len(f.routes()) {
		t.Errorf("%d operations are described, and %d served", len(described), len(f.routes()))
	}
}

// TestOperations: each operation says what a client must know of it.
func TestOperations(t *testing.T) {
	t.Parallel()
	doc, err := new(Server).document()
	check(t, err)
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			name := method + " " + path
			if o.ID == "" || ids[o.ID] || o.Summary == "" || o.Security == nil {
				t.Errorf("%s: id %q, summary %q, security %v", name, o.ID, o.Summary, o.Security)
			}
			ids[o.ID] = true
			failures := 0
			for status, a := range o.Answers {
				if name, ok := strings.CutPrefix(a.Ref, "#/components/responses/"); ok {
					a = doc.Components.Answers[name]
				}
				if a.Description == "" {
					t.Errorf("%s: %s is not described", name, status)
				}
				for header, h := range a.Headers {
					if h.Description == "" {
						t.Errorf("%s: %s: header %s is not described", name, status, header)
					}
				}
				if status < "400" {
					continue
				}
				failures++
				wants := typeJSON
				if strings.HasPrefix(path, fhirBase+"/") {
					wants = typeFHIR
				}
				if _, ok := a.Content[wants]; !ok && method != "head" && path != "/readyz" {
					t.Errorf("%s: %s is not told as %s", name, status, wants)
				}
			}
			if failures == 0 {
				t.Errorf("%s: nothing goes wrong", name)
			}
			if o.Body != nil && o.Body.Description == "" {
				t.Errorf("%s: how large a body may be is not said", name)
			}
		}
	}
}

// TestCapabilities: the CapabilityStatement says what is offered below /fhir, and nothing else.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Auth{TokensOnly: true})
	f.PublicURL = "https://stoker.example.org"
	var statement struct {
		Format []string `json:"format"`
		Rest   []struct {
			Mode      string            `json:"mode"`
			Resource  []json.RawMessage `json:"resource"`
			Operation []struct {
				Name string `json:"name"`
			} `json:"operation"`
			Interaction []json.RawMessage `json:"interaction"`
			Security    struct {
				Service []struct {
					Coding []struct {
						Code string `json:"code"`
					} `json:"coding"`
				} `json:"service"`
				Extension []struct {
					Extension []struct {
						ValueURI string `json:"valueUri"`
					} `json:"extension"`
				} `json:"extension"`
			} `json:"security"`
		} `json:"rest"`
	}
	got := f.do(http.MethodGet, fhirBase+"/metadata", "", "")
	check(t, json.Unmarshal([]byte(got.body), &statement))
	if len(statement.Rest) != 1 || statement.Rest[0].Mode != "server" || len(statement.Rest[0].Resource)+len(statement.Rest[0].Interaction) != 0 {
		t.Fatalf("%s", got.body)
	}
	if link := got.header.Get("Link"); link != `<https://stoker.example.org/openapi.json>; rel="service-desc"; type="application/json"` {
		t.Errorf("Link: %s", link)
	}
	var stated, offered, formats []string
	for _, o := range statement.Rest[0].Operation {
		stated = append(stated, o.Name)
	}
	for _, r := range f.routes() {
		path, isPost := strings.CutPrefix(r.pattern, http.MethodPost+" "+fhirBase+"/")
		if name, isOperation := strings.CutPrefix(path, "$"); isPost && isOperation {
			offered = append(offered, name)
		}
		if isPost && r.takes != nil && !slices.Contains(formats, r.takes.media) {
			formats = append(formats, r.takes.media)
		}
	}
	slices.Sort(stated)
	slices.Sort(offered)
	if !slices.Equal(stated, offered) {
		t.Errorf("operations %v are stated, and %v offered", stated, offered)
	}
	if !slices.Equal(statement.Format, formats) {
		t.Errorf("formats %v are stated, and %v taken", statement.Format, formats)
	}
	security := statement.Rest[0].Security
	if len(security.Service) != 1 || security.Service[0].Coding[0].Code != "SMART-on-FHIR" || security.Extension[0].Extension[0].ValueURI != "https://stoker.example.org"+tokenPath {
		t.Errorf("security %+v", security)
	}
	// The token endpoint that is stated is there, and gives no token to who proves nothing.
	if a := f.do(http.MethodPost, tokenPath, "", "grant_type=client_credentials", "Content-Type", typeForm); a.status != http.StatusUnauthorized {
		t.Errorf("the token endpoint answers %d", a.status)
	}
	// Without a public URL no tokens are given, and none are stated.
	if none := security0(t, ""); strings.Contains(none, "SMART") {
		t.Errorf("without a token endpoint: %s", none)
	}
}

func security0(t *testing.T, tokenURL string) string {
	t.Helper()
	b, err := json.Marshal(security(tokenURL))
	check(t, err)
	return string(b)
}
