package api

import (
	"net/http"

	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi"
)

// Parameters of what is uploaded.
var (
	declareParams = params{
		query("dataset", "Where the policy leaves it open, as the next two.", nil),
		query("mode", "", text("overwrite", "sync")),
		query("validation", "", text("strict", "warn", "off")),
		query("snapshot", "The delivery has all that the supplier has: what it lacks is deleted.", &openapi.Schema{Type: "boolean"}),
		query("snapshot_types", "Only rows of these resource types, with commas between.", nil),
		query("max_deletes", "How much a snapshot may delete: a number, a share such as 2.5%, or off.", nil),
		query("mends", "The import whose rejects this delivers anew.", &openapi.Schema{Type: "string", Format: "uuid"}),
	}
	encodingParam = header("Content-Encoding", "Kept as it is: content tells its format.", text("identity", "gzip", "x-gzip", "zstd"))
	digestParam   = header("Content-Digest", "`sha-256=:BASE64:` of what is sent (RFC 9530). What differs is not kept.", nil)
	reprParam     = header("Repr-Digest", "The same of the whole file.", nil)
	tusParam      = must(header("Tus-Resumable", "The version of tus, 1.0.0. With another one the answer is 412.", nil))
	keyParam      = header(headerKey, "At most 255 printable ASCII characters. The same request with the same key has its effect once, and the same answer for seven days.", nil)
)

func (s *Server) uploadRoutes() []route {
	return []route{
		{pattern: "PUT /suppliers/{name}/files/{file}", who: anyone, handle: s.putFile, operation: operation{
			id: "putFile", summary: "Upload a file; it is an import at once, or one more file of a delivery",
			query:   append(params{query("delivery", "Its name. The file is imported when that is completed.", nil)}, declareParams...),
			headers: params{encodingParam, digestParam, reprParam, keyParam},
			takes:   &content{media: typeBytes, text: "At most `max_bytes` of the supplier's policy. It must come at a rate, a request that does not is answered with 408."},
			answers: []answers{gives(http.StatusAccepted, Created{}, "Location"), gives(http.StatusCreated, OpenDelivery{})},
			fails:   []int{400, 404, 408, 409, 413, 415, 422, 429, 507},
		}},
		{pattern: "GET /suppliers/{name}/deliveries/{delivery}", who: anyone, handle: s.delivery, operation: operation{
			id: "getDelivery", summary: "What of a delivery is there", answers: ok(OpenDelivery{}), fails: []int{400, 404, 415, 422},
		}},
		{pattern: "DELETE /suppliers/{name}/deliveries/{delivery}", who: anyone, handle: s.removeDelivery, operation: operation{
			id: "removeDelivery", summary: "Remove the files of a delivery that was not completed", answers: []answers{{status: http.StatusNoContent}}, fails: []int{400, 404, 415, 422},
		}},
		{pattern: "POST /suppliers/{name}/deliveries/{delivery}/complete", who: anyone, handle: s.completeDelivery, operation: operation{
			id: "completeDelivery", summary: "All of a delivery is there: make it an import",
			query: declareParams, answers: []answers{gives(http.StatusAccepted, Created{}, "Location")}, fails: []int{400, 404, 415, 422, 429},
		}},
		{pattern: "OPTIONS /suppliers/{name}/uploads", who: anyone, handle: s.tusOptions, operation: operation{
			id: "uploadOptions", summary: "What is offered of tus",
			answers: []answers{{status: http.StatusNoContent, headers: []string{"Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size"}}}, fails: []int{400, 404, 415, 422},
		}},
		{pattern: "POST /suppliers/{name}/uploads", who: anyone, handle: s.tusCreate, operation: operation{
			id: "createUpload", summary: "Announce a resumable upload (tus 1.0.0)",
			query: declareParams,
			headers: params{
				tusParam,
				must(header("Upload-Length", "Bytes of the whole.", &openapi.Schema{Type: "integer", Minimum: new(int64)})),
				must(header("Upload-Metadata", "`filename`, and `delivery` where it is part of one; values in base64.", nil)),
				encodingParam, reprParam,
			},
			answers: []answers{{status: http.StatusCreated, headers: []string{"Location", "Tus-Resumable", "Upload-Expires"}}},
			fails:   []int{400, 404, 412, 413, 415, 422, 429, 507},
		}},
		{pattern: "HEAD /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusHead, operation: operation{
			id: "getUpload", summary: "Where an upload is to go on", headers: params{tusParam},
			answers: []answers{{status: http.StatusOK, headers: []string{"Upload-Offset", "Upload-Length", "Upload-Expires", "Location", "Tus-Resumable"}}},
			fails:   []int{400, 404, 412, 415, 422, 507},
		}},
		{pattern: "PATCH /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusPatch, operation: operation{
			id: "patchUpload", summary: "The next part of an upload; with the last byte it is an import, or part of its delivery",
			headers: params{tusParam, must(header("Upload-Offset", "Where the part begins: where the upload is.", &openapi.Schema{Type: "integer", Minimum: new(int64)})), digestParam},
			takes:   &content{media: tusContent, text: "What of it arrives is kept."},
			answers: []answers{{status: http.StatusNoContent, headers: []string{"Upload-Offset", "Upload-Expires", "Location", "Tus-Resumable"}}},
			fails:   []int{400, 404, 408, 409, 412, 413, 415, 422, 507},
		}},
		{pattern: "DELETE /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusDelete, operation: operation{
			id: "removeUpload", summary: "Give an upload up", headers: params{tusParam},
			answers: []answers{{status: http.StatusNoContent, headers: []string{"Tus-Resumable"}}}, fails: []int{400, 404, 409, 412, 415, 422},
		}},
		{pattern: "POST /suppliers/{name}/uploads/{upload}", who: anyone, handle: s.tusOverride, unkeyed: true, operation: operation{
			id: "overrideUpload", summary: "PATCH or DELETE of clients that cannot send these",
			headers: params{tusParam, must(header("X-HTTP-Method-Override", "", text("PATCH", "DELETE"))), header("Upload-Offset", "As of PATCH.", &openapi.Schema{Type: "integer", Minimum: new(int64)}), digestParam},
			takes:   &content{media: tusContent, text: "As of PATCH."},
			answers: []answers{{status: http.StatusNoContent, headers: []string{"Upload-Offset", "Upload-Expires", "Location", "Tus-Resumable"}}},
			fails:   []int{400, 404, 405, 408, 409, 412, 413, 415, 422, 507},
		}},
		{pattern: "POST " + fhirBase + "/{dataset}", who: anyone, handle: s.postResource, unkeyed: true, operation: operation{ // keyed by itself: bodies may be larger
			id: "postResource", summary: "One resource or Bundle of FHIR R4, for small things",
			text:    "With `Prefer: wait=SECONDS` the answer tells what became of it, if that is known by then: 200, or 422 where nothing of it could be taken. Else it is 202.",
			query:   append(params{query("supplier", "By an operator: in whose name.", nil)}, declareParams[1:]...),
			headers: params{header("Prefer", "`wait=SECONDS`, 30 at most.", nil), digestParam, reprParam, keyParam},
			takes:   &content{of: resource{}, media: typeFHIR, text: "At most `STOKER_UPLOAD_RESOURCE_BYTES`, and `max_bytes` of the supplier's policy. `application/json` is taken too."},
			answers: []answers{gives(http.StatusAccepted, Created{}, "Location"), {status: http.StatusOK, of: operationOutcome{}, media: typeFHIR, headers: []string{"Location", "Preference-Applied"}}},
			fails:   []int{400, 404, 408, 409, 413, 415, 422, 429, 507},
		}},
	}
}
