package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi"
)

// openAPIPath is where the document is.
const openAPIPath = "/openapi.json"

// docsURL begins the addresses of pages of docs.
const docsURL = "https://github.com/stoker-fhir/stoker/blob/main/docs/"

const about = "How FHIR resources are delivered to Stoker, and how what became of them is read. " +
	"Suppliers may use what is about imports, uploads and FHIR, and see only what is their own; all else is for operators. " +
	"A POST may have an `Idempotency-Key`: it then has one effect however often it is sent, and the same answer. " +
	"Below `/fhir` what goes wrong is told as OperationOutcome, elsewhere as an object with `error`."

// OpenAPI returns the document that describes the interface, as indented JSON. It is the same for every installation.
func OpenAPI() ([]byte, error) {
	doc, err := new(Server).document()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	err = out.Encode(doc)
	return b.Bytes(), err
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	doc, err := s.described()
	if err != nil {
		s.Log.Error().Err(err).Msg("cannot answer")
		fail(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write(doc) // the client went away; there is nobody to tell
}

// document describes all routes.
func (s *Server) document() (openapi.Document, error) {
	doc := openapi.Document{OpenAPI: openapi.Version, Servers: []openapi.Server{{URL: "/"}}, Paths: map[string]openapi.Path{}}
	doc.Info = openapi.Info{Title: "Stoker", Version: "1", Description: about}
	doc.Info.License.Name, doc.Info.License.Identifier = "Apache-2.0", "Apache-2.0"
	schemas, failures := newSchemas(), map[string]openapi.Answer{}
	for _, p := range s.parts() {
		doc.Tags = append(doc.Tags, openapi.Tag{Name: p.name, Description: p.text, Docs: &openapi.ExternalDocs{URL: docsURL + p.page}})
		for _, r := range p.routes {
			method, path, _ := strings.Cut(r.pattern, " ")
			if doc.Paths[path] == nil {
				doc.Paths[path] = openapi.Path{}
			}
			doc.Paths[path][strings.ToLower(method)] = r.describe(p.name, schemas, failures)
		}
	}
	doc.Components = openapi.Components{Schemas: schemas.Components, Answers: failures, SecuritySchemes: securitySchemes}
	for name, schema := range fhirSchemas {
		doc.Components.Schemas[name] = schema
	}
	return doc, schemas.Err
}

// describe says all of a route. Failures, which are the same of many routes, are added to those.
func (r route) describe(part string, schemas *openapi.Schemas, failures map[string]openapi.Answer) *openapi.Operation {
	o := &openapi.Operation{
		ID: r.id, Tags: []string{part}, Summary: r.summary, Description: r.text, Answers: map[string]openapi.Answer{}, Security: r.security(),
		Parameters: slices.Concat(r.pathParams(), r.query, r.headers),
	}
	if r.isKeyed() {
		o.Parameters = append(o.Parameters, keyParam)
	}
	if c := r.takes; c != nil {
		o.Body = c.describe(schemas)
	}
	for _, status := range r.failures() {
		name, answer := r.failure(status, schemas)
		failures[name] = answer
		o.Answers[strconv.Itoa(status)] = openapi.Answer{Ref: "#/components/responses/" + name}
	}
	for _, a := range r.answers {
		o.Answers[strconv.Itoa(a.status)] = a.describe(r, schemas)
	}
	return o
}

func (r route) isKeyed() bool {
	return strings.HasPrefix(r.pattern, http.MethodPost+" ") && !r.unkeyed
}

func (c content) describe(schemas *openapi.Schemas) *openapi.RequestBody {
	b := &openapi.RequestBody{Required: true, Description: c.text}
	if c.most > 0 {
		b.Description = strings.TrimSpace(fmt.Sprintf("At most %d bytes. %s", c.most, c.text))
	}
	media := openapi.Media{}
	if c.of != nil {
		media.Schema = schemas.Request(c.of)
	}
	b.Content = map[string]openapi.Media{orJSON(c.media): media}
	if c.media == typeFHIR {
		b.Content[typeJSON] = media
	}
	return b
}

func orJSON(media string) string {
	if media == "" {
		return typeJSON
	}
	return media
}

func (a answers) describe(r route, schemas *openapi.Schemas) openapi.Answer {
	names := slices.Clone(a.headers)
	if r.isKeyed() {
		names = append(names, "Idempotency-Replayed")
	}
	answer := openapi.Answer{Description: http.StatusText(a.status), Headers: headersOf(names...)}
	switch {
	case a.of != nil:
		answer.Content = map[string]openapi.Media{orJSON(a.media): {Schema: schemas.Answer(a.of)}}
	case a.media != "":
		answer.Content = map[string]openapi.Media{a.media: {}} // of lines OpenAPI 3.1 has no schema
		if a.media == typeText {
			answer.Content[a.media] = openapi.Media{Schema: text()}
		}
	}
	if a.media == typeNDJSON {
		answer.Description += ": an OperationOutcome a line, unless the lines are asked for as they came"
	}
	return answer
}

// failures are the statuses of what may go wrong, in order.
func (r route) failures() []int {
	list := append([]int{http.StatusForbidden}, r.fails...) // of pages of other sites, and under foreign names
	if r.who != everybody {
		list = append(list, http.StatusUnauthorized, http.StatusServiceUnavailable)
	}
	if r.who == anyone {
		list = append(list, http.StatusTooManyRequests)
	}
	if r.isKeyed() {
		list = append(list, http.StatusConflict, http.StatusUnprocessableEntity)
	}
	if r.isKeyed() || r.takes != nil { // what is read of it
		list = append(list, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// failureTexts say what statuses mean here.
var failureTexts = map[int]string{
	http.StatusBadRequest:            "The request is wrong; the text says what.",
	http.StatusUnauthorized:          "There is no token, or none that is known.",
	http.StatusForbidden:             "Not for who asks, or not by the scope of its token; or a page of another site asks, or a foreign name was asked.",
	http.StatusNotFound:              "There is none, or it is not the caller's.",
	http.StatusMethodNotAllowed:      "Another method than is taken.",
	http.StatusRequestTimeout:        "The content came too slowly.",
	http.StatusConflict:              "As it stands that cannot be; or a request with the same `Idempotency-Key` is being answered.",
	http.StatusGone:                  "It was there, and is no more.",
	http.StatusPreconditionFailed:    "`Tus-Resumable` is another version, or missing.",
	http.StatusRequestEntityTooLarge: "More than may be sent.",
	http.StatusUnsupportedMediaType:  "Another media type or content coding than is taken.",
	http.StatusUnprocessableEntity:   "A policy, or what is there, does not allow it; or the `Idempotency-Key` was used for another request.",
	http.StatusTooManyRequests:       "More than the policy allows, or than is done at once; `Retry-After` says when to try again.",
	http.StatusInternalServerError:   "It failed.",
	http.StatusServiceUnavailable:    "Not known at the moment, or not possible; try again.",
	http.StatusInsufficientStorage:   "Too little space would be left on the disk.",
}

// failure is what a route answers where something goes wrong, and a name for it.
func (r route) failure(status int, schemas *openapi.Schemas) (name string, _ openapi.Answer) {
	a, name := answers{status: status, of: Problem{}}, "Problem"
	switch {
	case strings.HasPrefix(r.pattern, http.MethodHead+" "):
		a.of, name = nil, "Status"
	case r.problem != nil:
		a.of, name = r.problem, "TokenProblem"
	case strings.Contains(r.pattern, " "+fhirBase+"/"):
		a.of, a.media, name = operationOutcome{}, typeFHIR, "Outcome"
	}
	switch status {
	case http.StatusUnauthorized:
		a.headers = []string{"WWW-Authenticate"}
	case http.StatusTooManyRequests:
		a.headers = []string{"Retry-After"}
	}
	answer := a.describe(route{}, schemas)
	answer.Description = failureTexts[status]
	return name + strconv.Itoa(status), answer
}

// pathName finds the parameters of a path.
var pathName = regexp.MustCompile(`\{([a-z]+)\}`)

func (r route) pathParams() (list params) {
	for _, found := range pathName.FindAllStringSubmatch(r.pattern, -1) {
		p := openapi.Parameter{Name: found[1], In: "path", Required: true, Schema: text()}
		switch {
		case p.Name == "id" && !strings.Contains(r.pattern, "{type}"), p.Name == "import", p.Name == "upload":
			p.Schema = &openapi.Schema{Type: "string", Format: "uuid"}
		case p.Name == "type":
			p.Description = "A resource type of FHIR R4."
		case p.Name == "dataset":
			p.Description = "Its name."
		}
		list = append(list, p)
	}
	return list
}

// securitySchemes are how callers prove who they are.
var securitySchemes = map[string]openapi.SecurityScheme{
	"operator": {Type: "http", Scheme: "bearer", Description: "The token of `STOKER_OPERATOR_TOKEN`. Without one, who asks from the machine itself is an operator, unless `STOKER_AUTH` is `token`."},
	"supplier": {Type: "http", Scheme: "bearer", Description: "A token that the operator made for the supplier."},
	"smart": {Type: "oauth2", Description: "SMART Backend Services.", Flows: &openapi.Flows{ClientCredentials: openapi.Flow{TokenURL: tokenPath, Scopes: map[string]string{
		smart.ScopeWrite: "Deliver, and see what is one's own.", smart.ScopeRead: "See what is one's own.", smart.ScopeBulkSubmit: "The same as " + smart.ScopeWrite + ".",
	}}}},
}

// security says who may call a route.
func (r route) security() []openapi.SecurityRequirement {
	operator := openapi.SecurityRequirement{"operator": {}}
	switch method, _, _ := strings.Cut(r.pattern, " "); {
	case r.who == everybody:
		return []openapi.SecurityRequirement{}
	case r.who == operators:
		return []openapi.SecurityRequirement{operator}
	case onlyLooks(method):
		return []openapi.SecurityRequirement{operator, {"supplier": {}}, {"smart": {smart.ScopeRead}}, {"smart": {smart.ScopeWrite}}, {"smart": {smart.ScopeBulkSubmit}}}
	default:
		return []openapi.SecurityRequirement{operator, {"supplier": {}}, {"smart": {smart.ScopeWrite}}, {"smart": {smart.ScopeBulkSubmit}}}
	}
}
