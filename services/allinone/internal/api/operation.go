package api

import (
	"net/http"

	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi"
)

// route is a part of the interface. What is served and what the OpenAPI document says are made of the same list of
// routes.
type route struct {
	pattern string
	who     access
	handle  http.HandlerFunc // nil: what is mounted beside the interface serves it
	unkeyed bool             // of a POST: an Idempotency-Key does not repeat its answer
	operation
}

// operation is what the OpenAPI document says of a route beside what follows from the route itself: the parameters of
// its path, who may call it, and what goes wrong with any request; see [route.failures].
type operation struct {
	id      string // of the operation, for clients that are generated
	summary string
	text    string // more than that, in Markdown; "" for none
	query   params
	headers params // of the request
	takes   *content
	answers []answers
	fails   []int // statuses
	problem any   // what the body is then; nil: Problem, or below /fhir an OperationOutcome
}

// params are parameters of a query, or headers.
type params []openapi.Parameter

// query is a parameter of a query; a schema of nil is that of a text.
func query(name, what string, schema *openapi.Schema) openapi.Parameter {
	if schema == nil {
		schema = text()
	}
	return openapi.Parameter{Name: name, In: "query", Description: what, Schema: schema}
}

// flag is a parameter of a query that is set by 1.
func flag(name, what string) openapi.Parameter { return query(name, what, text("1")) }

// header is a header of a request.
func header(name, what string, schema *openapi.Schema) openapi.Parameter {
	p := query(name, what, schema)
	p.In = "header"
	return p
}

// must is a parameter without which a request is refused.
func must(p openapi.Parameter) openapi.Parameter {
	p.Required = true
	return p
}

// content is the body of a request.
type content struct {
	of    any    // a value of its type in Go; nil: bytes
	media string // "": application/json
	most  int64  // bytes; 0: as text says
	text  string
}

// answers is an answer that is no failure.
type answers struct {
	status  int
	of      any    // a value of its type in Go; nil: no body, or one of bytes
	media   string // "": application/json, or without a type no body
	headers []string
}

// Media types beside those of FHIR.
const (
	typeJSON   = "application/json"
	typeNDJSON = "application/fhir+ndjson"
	typeBytes  = "application/octet-stream"
	typeForm   = "application/x-www-form-urlencoded"
	typeText   = "text/plain"
)

func text(enum ...string) *openapi.Schema { return &openapi.Schema{Type: "string", Enum: enum} }

func ok(of any) []answers { return []answers{{status: http.StatusOK, of: of}} }

func okLines() []answers { return []answers{{status: http.StatusOK, media: typeNDJSON}} }

func gives(status int, of any, headers ...string) answers {
	return answers{status: status, of: of, headers: headers}
}

// parts are the routes of a part of the interface, and what the document says of it.
type part struct {
	name, text, page string // the page is of docs
	routes           []route
}

// parts are all of the interface.
func (s *Server) parts() []part {
	return []part{
		{"imports", "Asking for imports, and what became of them.", "reports.md", s.importRoutes()},
		{"uploads", "Files that a supplier sends.", "uploads.md", s.uploadRoutes()},
		{"fhir", "Bulk operations of FHIR. What goes wrong is told as OperationOutcome.", "import.md", s.fhirRoutes()},
		{"access", "How suppliers get access tokens: SMART Backend Services.", "smart.md", s.accessRoutes()},
		{"suppliers", "Who may deliver, and under which policy.", "suppliers.md", s.supplierRoutes()},
		{"syncs", "Manifests that are polled on a schedule.", "sync.md", s.syncRoutes()},
		{"datasets", "What is stored.", "architecture.md", s.datasetRoutes()},
		{"queues", "Replays, and what waits in the queues.", "queues.md", s.queueRoutes()},
		{"service", "About this process.", "http.md", s.serviceRoutes()},
	}
}

func (s *Server) routes() (all []route) {
	for _, p := range s.parts() {
		all = append(all, p.routes...)
	}
	return all
}
