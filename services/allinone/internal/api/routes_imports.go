package api

import (
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi"
	"github.com/stoker-fhir/stoker/services/writer"
)

var validationParam = query("validation", "Another one than the import had; a supplier may not ask for less than its policy.", text("strict", "warn", "off"))

// withoutFiles is of what answers with an account that is kept for days.
const withoutFiles = "The answer lists no files; `GET /imports/{id}` does. Where the account takes more than 40 seconds to add up, the answer is 202 and does without."

// changed are the answers to a change of an import.
func changed() []answers {
	return append(ok(ledger.Status{}), gives(http.StatusAccepted, Created{}))
}

func (s *Server) importRoutes() []route {
	return []route{
		{pattern: "POST /imports", who: anyone, handle: s.create, operation: operation{
			id: "createImport", summary: "Ask for an import",
			text: "The import is queued, and its state is at `Location` as soon as a fetcher has accepted it. " +
				"A supplier names sources by `url`, `manifest`, `export`, `pull` or `spool`, and neither `id` nor `attempt`.",
			takes:   &content{of: fhirmsg.ImportRequest{}, most: maxRequest},
			answers: []answers{gives(http.StatusAccepted, Created{}, "Location")},
			fails:   []int{400, 403, 422, 429, 507},
		}},
		{pattern: "GET /imports", who: anyone, handle: s.list, operation: operation{
			id: "listImports", summary: "The newest imports, 50 at most", answers: ok([]ledger.Summary{}),
		}},
		{pattern: "GET /imports/{id}", who: anyone, handle: s.status, operation: operation{
			id: "getImport", summary: "The account of an import, as it stands",
			text:    "Two are added up at a time; others wait. Where it takes more than 40 seconds the answer is 503.",
			query:   params{flag("progress", "Without the kinds of issues, which take a while to add up where there are millions.")},
			answers: ok(ledger.Status{}), fails: []int{400, 404},
		}},
		{pattern: "POST /imports/{id}/cancel", who: anyone, handle: s.cancel, operation: operation{
			id: "cancelImport", summary: "End an import; what was stored stays", text: withoutFiles, answers: changed(), fails: []int{400, 404, 409},
		}},
		{pattern: "POST /imports/{id}/pause", who: anyone, handle: s.pause, operation: operation{
			id: "pauseImport", summary: "Stop fetching an import, until it is resumed", text: withoutFiles, answers: changed(), fails: []int{400, 404, 409},
		}},
		{pattern: "POST /imports/{id}/resume", who: anyone, handle: s.resume, operation: operation{
			id: "resumeImport", summary: "Go on with an import", answers: []answers{gives(http.StatusAccepted, Created{})}, fails: []int{400, 404, 409},
		}},
		{pattern: "POST /imports/{id}/retry", who: anyone, handle: s.retry, operation: operation{
			id: "retryImport", summary: "Put the rejects of an import through again, as an import of its own",
			query: params{validationParam}, answers: []answers{gives(http.StatusAccepted, Created{}, "Location")}, fails: []int{400, 403, 404, 409, 422, 429},
		}},
		{pattern: "POST /imports/{id}/discard", handle: s.discard, operation: operation{
			id: "discardImport", summary: "Undo an import, or one of its files, as if it had never come",
			query:   params{query("file", "Its name or index; left out: all of the import.", nil), flag("rehearse", "Change nothing, and tell what would be done.")},
			answers: ok(writer.Discarded{}), fails: []int{400, 404, 409},
		}},
		{pattern: "POST /imports/{id}/snapshot", handle: s.confirmSnapshot, operation: operation{
			id: "confirmSnapshot", summary: "Let a snapshot that was refused delete up to another limit", text: withoutFiles,
			query:   params{must(query("max_deletes", "A number such as 100, a share such as 2.5%, or off.", nil))},
			answers: changed(), fails: []int{400, 404, 409},
		}},
		{pattern: "GET /imports/{id}/rejects", who: anyone, handle: s.rejects, operation: operation{
			id: "listRejects", summary: "What could not be taken: an OperationOutcome a line",
			query:   params{flag("lines", "The lines as they came, to be mended."), flag("open", "Without those that were resolved since.")},
			answers: okLines(), fails: []int{400, 404, 410},
		}},
		{pattern: "GET /imports/{id}/issues", who: anyone, handle: s.issues, operation: operation{
			id: "listIssues", summary: "The same, also of what was stored all the same", answers: okLines(), fails: []int{400, 404, 410},
		}},
		{pattern: "GET /imports/{id}/report", who: anyone, handle: s.report, operation: operation{
			id: "getReport", summary: "An import beside the one before it: how much, which elements resources have, of when they are, and what was found wrong",
			text:    "What changed most is told first. One report is made at a time: the answer is 429 meanwhile, and 503 where it takes more than a minute.",
			query:   params{query("against", "The import to compare with, of the same supplier and dataset. Left out: the newest complete one before.", &openapi.Schema{Type: "string", Format: "uuid"})},
			answers: ok(ledger.Comparison{}), fails: []int{400, 404},
		}},
		{pattern: "PUT /spool", who: anyone, handle: s.spool, operation: operation{
			id: "spool", summary: "Hand in content, to be named as a source of an import",
			takes:   &content{media: typeBytes, text: "ndjson, a document or a Bundle, perhaps compressed; of a supplier at most `max_bytes` of its policy, with all else that it handed in and no import names, and of these no more than 1000. What none names is removed in a week (`STOKER_UPLOAD_SPOOL_EXPIRY`)."},
			answers: []answers{gives(http.StatusCreated, Spooled{})}, fails: []int{413, 429, 507},
		}},
		{pattern: "POST /buckets/events", who: anyone, handle: s.bucketEvents, operation: operation{
			id: "bucketEvents", summary: "Events of an object store, in the form of S3",
			text:    "What they name is looked at if it lies in the bucket of the caller's policy; an operator's are of all suppliers.",
			takes:   &content{of: struct{}{}, most: maxEvents},
			answers: []answers{gives(http.StatusAccepted, BucketEvents{})}, fails: []int{400, 413},
		}},
	}
}
