package api

import (
	"reflect"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/s3"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/openapi"
)

// maxEvents is the greatest size of a message with events of a bucket.
const maxEvents = s3.MaxEvents

// Bodies that are of no type in Go, or of one that says less than is known.
type (
	resource            struct{}
	fhirParameters      struct{}
	importForm          struct{}
	capabilityStatement struct{}
	tokenForm           struct{}
	tokenAnswer         = smart.Token
)

// tokenProblem is the answer to who gets no token (RFC 6749, section 5.2).
type tokenProblem struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// headersOf describes headers of an answer.
func headersOf(names ...string) map[string]openapi.Header {
	if len(names) == 0 {
		return nil
	}
	list := map[string]openapi.Header{}
	for _, name := range names {
		list[name] = openapi.Header{Description: headerTexts[name], Schema: text()}
	}
	return list
}

var headerTexts = map[string]string{
	"Cache-Control":        "`no-store`.",
	"Content-Location":     "Where to ask how far it is.",
	"Expires":              "Until when the reports are there.",
	"Idempotency-Replayed": "`true`: the answer is that to an earlier request with the same `Idempotency-Key`.",
	"Link":                 "Where the OpenAPI document is.",
	"Location":             "Where it is.",
	"Preference-Applied":   "For how long was waited at most.",
	"Retry-After":          "In seconds.",
	"Tus-Extension":        "What is offered of tus.",
	"Tus-Max-Size":         "Bytes, where the policy limits them.",
	"Tus-Resumable":        "The version of tus.",
	"Tus-Version":          "The versions of tus.",
	"Upload-Expires":       "Until when the upload is kept.",
	"Upload-Length":        "Bytes of the whole.",
	"Upload-Offset":        "Bytes that are there.",
	"WWW-Authenticate":     "How to prove who asks.",
	"X-Progress":           "How far it is, or what is waited for.",
}

func component(name string) *openapi.Schema {
	return &openapi.Schema{Ref: "#/components/schemas/" + name}
}

func newSchemas() *openapi.Schemas {
	return &openapi.Schemas{
		Known: map[reflect.Type]*openapi.Schema{
			reflect.TypeFor[fhirmsg.ImportID]():     {Type: "string", Format: "uuid"},
			reflect.TypeFor[fhirmsg.Hash]():         {Type: "string", Pattern: "^[0-9a-f]{32}$"},
			reflect.TypeFor[fhirmsg.Mode]():         text("overwrite", "sync"),
			reflect.TypeFor[fhirmsg.Validation]():   text("strict", "warn", "off"),
			reflect.TypeFor[fhirmsg.Keys]():         text("keep", "scoped"),
			reflect.TypeFor[ledger.State]():         text("accepted", "fetching", "draining", "complete", "failed", "cancelled", "paused"),
			reflect.TypeFor[ledger.ReplayState]():   text("preparing", "running", "complete", "failed", "cancelled"),
			reflect.TypeFor[ledger.SnapshotState](): text("pending", "deleting", "applied", "refused", "not applied"),
			reflect.TypeFor[ledger.SyncState]():     text("asking", "importing", "unchanged", "complete", "failed"),
			reflect.TypeFor[resource]():             component("Resource"),
			reflect.TypeFor[fhirParameters]():       component("Parameters"),
			reflect.TypeFor[importForm]():           {AnyOf: []*openapi.Schema{component("Parameters"), component("ImportManifestForm")}},
			reflect.TypeFor[capabilityStatement]():  component("CapabilityStatement"),
			reflect.TypeFor[operationOutcome]():     component("OperationOutcome"),
			reflect.TypeFor[tokenForm]():            component("TokenRequest"),
			reflect.TypeFor[map[string]any]():       {Type: "object"},
		},
		Names: map[reflect.Type]string{reflect.TypeFor[Sync](): "SyncWithRuns", reflect.TypeFor[supplier.Export](): "SyncExport"},
	}
}

// fhirSchemas are schemas of what is of no type in Go; the specifications that are linked say more.
var fhirSchemas = map[string]*openapi.Schema{
	"Resource": {
		Type: "object", Description: "A resource of FHIR R4: https://hl7.org/fhir/R4/resourcelist.html",
		Properties: map[string]*openapi.Schema{"resourceType": text()}, Required: []string{"resourceType"},
	},
	"Parameters": {
		Type: "object", Description: "https://hl7.org/fhir/R4/parameters.html", Required: []string{"resourceType"},
		Properties: map[string]*openapi.Schema{
			"resourceType": text("Parameters"),
			"parameter": {Type: "array", Items: &openapi.Schema{
				Type: "object", Properties: map[string]*openapi.Schema{"name": text()}, Required: []string{"name"},
			}},
		},
	},
	"ImportManifestForm": {
		Type: "object", Description: "Files that the request lists itself. `inputs` and `resourceType` are taken for `input` and `type` too.",
		Properties: map[string]*openapi.Schema{
			"inputFormat": {Type: "string", Description: "application/fhir+ndjson"},
			"inputSource": {Type: "string", Description: "URL of the server that the resources come from."},
			"input": {Type: "array", Items: &openapi.Schema{
				Type: "object", Properties: map[string]*openapi.Schema{"type": text(), "url": text()}, Required: []string{"url"},
			}},
			"snapshot":     {Type: "boolean"},
			"snapshotType": {Type: "array", Items: text()},
			"maxDeletes":   text(),
			"mends":        {Type: "string", Format: "uuid"},
		},
	},
	"OperationOutcome": {
		Type: "object", Description: "https://hl7.org/fhir/R4/operationoutcome.html", Required: []string{"issue", "resourceType"},
		Properties: map[string]*openapi.Schema{
			"resourceType": text("OperationOutcome"),
			"issue": {Type: "array", MinItems: 1, Items: &openapi.Schema{
				Type: "object", Required: []string{"code", "severity"},
				Properties: map[string]*openapi.Schema{"severity": text("fatal", "error", "warning", "information"), "code": text(), "diagnostics": text()},
			}},
		},
	},
	"CapabilityStatement": {
		Type: "object", Description: "https://hl7.org/fhir/R4/capabilitystatement.html",
		Properties: map[string]*openapi.Schema{
			"resourceType": text("CapabilityStatement"), "status": text("active"), "kind": text("instance"),
			"date": text(), "fhirVersion": text(), "format": {Type: "array", Items: text()},
		},
		Required: []string{"date", "fhirVersion", "format", "kind", "resourceType", "status"},
	},
	"TokenRequest": {
		Type: "object", Description: "https://hl7.org/fhir/smart-app-launch/backend-services.html",
		Properties: map[string]*openapi.Schema{
			"grant_type": text("client_credentials"), "client_assertion_type": text("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
			"client_assertion": text(), "scope": text(), "client_id": text(),
		},
		Required: []string{"client_assertion", "client_assertion_type", "grant_type"},
	},
}
