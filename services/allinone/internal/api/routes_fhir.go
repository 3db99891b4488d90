package api

import (
	"net/http"

	"github.com/stoker-fhir/stoker/services/allinone/internal/kickoff"
	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi"
)

var (
	asyncParam  = header("Prefer", "`respond-async`; so it is answered with or without it.", nil)
	bySupplier  = query("supplier", "By an operator: in whose name.", nil)
	statusOfJob = []string{"X-Progress", "Retry-After"}
)

// both are the routes of an operation of the server, and the same with the dataset in the path.
func both(name string, handle http.HandlerFunc, op operation) []route {
	ofDataset := op
	ofDataset.id, ofDataset.summary = op.id+"OfDataset", op.summary+"; the dataset must be the supplier's"
	return []route{
		{pattern: "POST " + fhirBase + "/$" + name, who: anyone, handle: handle, operation: op},
		{pattern: "POST " + fhirBase + "/{dataset}/$" + name, who: anyone, handle: handle, operation: ofDataset},
	}
}

func (s *Server) fhirRoutes() []route {
	routes := both("import", s.fhirImport, operation{
		id: "import", summary: "Ask for an import by FHIR's bulk import",
		text:    "The ping and pull form (`exportUrl`, `exportType`), or the manifest form as Parameters or JSON.",
		headers: params{asyncParam},
		takes:   &content{of: importForm{}, media: typeFHIR, most: maxRequest, text: "`application/json` is taken too."},
		answers: []answers{{status: http.StatusAccepted, headers: []string{"Content-Location"}}},
		fails:   []int{400, 403, 413, 415, 422, 429},
	})
	routes = append(routes,
		route{pattern: "GET " + statusPath + "{id}", who: anyone, handle: s.fhirStatus, operation: operation{
			id: "importStatus", summary: "How far an import is, then what became of it",
			text:    "202 as long as it is under way. 410: it was cancelled. 422: it was refused when it was accepted. 500: nothing could be read.",
			answers: []answers{{status: http.StatusOK, of: importManifest{}, headers: []string{"Expires"}}, {status: http.StatusAccepted, headers: statusOfJob}},
			fails:   []int{400, 404, 410, 422, 500},
		}},
		route{pattern: "DELETE " + statusPath + "{id}", who: anyone, handle: s.fhirRemove, operation: operation{
			id: "removeImport", summary: "Cancel an import if it is under way, and remove its status and reports; what was stored stays",
			answers: []answers{{status: http.StatusAccepted}}, fails: []int{400, 404},
		}},
		route{pattern: "GET " + outcomePath + "{id}/{file}", who: anyone, handle: s.fhirOutcome, operation: operation{
			id: "importOutcome", summary: "A file of OperationOutcomes, one a line, that the status named", answers: okLines(), fails: []int{400, 404, 410},
		}},
	)
	routes = append(routes, both("bulk-submit", s.bulkSubmit, operation{
		id: "bulkSubmit", summary: "Submit a manifest, replace one, complete or stop a submission",
		text:    "Parameters of the Bulk Data Access IG 4.0.0-ballot, and of the draft before it. Sent again, a request changes nothing.",
		query:   params{bySupplier},
		takes:   &content{of: fhirParameters{}, media: typeFHIR, most: kickoff.MaxSubmit, text: "`application/json` is taken too."},
		answers: []answers{{status: http.StatusOK, of: operationOutcome{}, media: typeFHIR}},
		fails:   []int{400, 403, 404, 409, 413, 415, 422, 429},
	})...)
	routes = append(routes, both("bulk-submit-status", s.bulkSubmitStatus, operation{
		id: "bulkSubmitStatus", summary: "Ask where to watch a submission", query: params{bySupplier}, headers: params{asyncParam},
		takes:   &content{of: fhirParameters{}, media: typeFHIR, most: kickoff.MaxSubmit, text: "`application/json` is taken too."},
		answers: []answers{{status: http.StatusAccepted, headers: []string{"Content-Location"}}},
		fails:   []int{400, 404, 413, 415},
	})...)
	return append(routes,
		route{pattern: "GET " + submitStatusPath + "{id}", who: anyone, handle: s.submissionStatus, operation: operation{
			id: "submissionStatus", summary: "How far a submission is, then what became of it",
			query:   params{query("page", "From 1; a page tells of 50 manifests, and `link` where it goes on.", &openapi.Schema{Type: "integer", Format: "int32"})},
			answers: []answers{{status: http.StatusOK, of: submissionManifest{}, headers: []string{"Expires"}}, {status: http.StatusAccepted, headers: statusOfJob}},
			fails:   []int{400, 404},
		}},
		route{pattern: "DELETE " + submitStatusPath + "{id}", who: anyone, handle: s.removeSubmissionStatus, operation: operation{
			id: "removeSubmissionStatus", summary: "Remove the URL of a submission's status; the submission goes on", answers: []answers{{status: http.StatusAccepted}}, fails: []int{400, 404},
		}},
		route{pattern: "GET " + submitOutcomePath + "{id}/{import}/{file}", who: anyone, handle: s.submissionOutcome, operation: operation{
			id: "submissionOutcome", summary: "A file of OperationOutcomes, one a line, that the status named", answers: okLines(), fails: []int{400, 404, 410},
		}},
		route{pattern: "GET " + fhirBase + "/metadata", who: everybody, handle: s.fhirMetadata, operation: operation{
			id: "metadata", summary: "The CapabilityStatement", answers: []answers{{status: http.StatusOK, of: capabilityStatement{}, media: typeFHIR, headers: []string{"Link"}}},
		}},
		route{pattern: "GET " + fhirBase + "/{dataset}/metadata", who: everybody, handle: s.fhirMetadata, operation: operation{
			id: "metadataOfDataset", summary: "The same, of a dataset", answers: []answers{{status: http.StatusOK, of: capabilityStatement{}, media: typeFHIR, headers: []string{"Link"}}},
		}},
	)
}

func (s *Server) accessRoutes() []route {
	configuration := operation{
		id: "smartConfiguration", summary: "Where tokens are given", text: "404 where this server does not know its public URL, and so gives none.",
		answers: ok(map[string]any{}), fails: []int{404},
	}
	ofFHIR, ofDataset := configuration, configuration
	ofFHIR.id, ofDataset.id = configuration.id+"OfFHIR", configuration.id+"OfDataset"
	return []route{
		{pattern: "POST " + tokenPath, who: everybody, handle: s.token, unkeyed: true, operation: operation{ // its answer is kept nowhere
			id: "token", summary: "Get an access token by a signed assertion (SMART Backend Services)",
			takes:   &content{of: tokenForm{}, media: typeForm, most: 64 << 10},
			answers: []answers{{status: http.StatusOK, of: tokenAnswer{}, headers: []string{"Cache-Control"}}},
			fails:   []int{400, 401, 404, 429, 503}, problem: tokenProblem{},
		}},
		{pattern: "GET " + configurationPath, who: everybody, handle: s.smartConfiguration, operation: configuration},
		{pattern: "GET " + fhirBase + configurationPath, who: everybody, handle: s.smartConfiguration, operation: ofFHIR},
		{pattern: "GET " + fhirBase + "/{dataset}" + configurationPath, who: everybody, handle: s.smartConfiguration, operation: ofDataset},
	}
}
