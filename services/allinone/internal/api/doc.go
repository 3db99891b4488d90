// Package api is the HTTP interface of `stoker up`: imports are asked for, watched, paused,
// resumed and cancelled here, and what became of resources is read. The command line
// uses nothing else, whether the services run in its own process or in another.
//
// Its routes are data, in the files routes_*.go: what is served and what the OpenAPI document says are made of the same
// list. The document is served at /openapi.json, and docs/openapi.json is a copy; docs/http.md tells how to read it.
//
// Below /fhir errors are answered as OperationOutcome. docs/import.md and docs/bulk-submit.md are about that part.
//
// Who sends a bearer token is a supplier or an operator; who sends none is an operator if it asks from
// this machine, unless [Auth] demands tokens. A supplier may use what is about imports, uploads, buckets, /fhir and /spool,
// and sees its own only: what is others' is not there. All else is for operators. Requests that browsers send on behalf
// of other sites are refused.
//
// A POST may have an Idempotency-Key: it then has one effect however often it is sent, and the same answer.
package api

//go:generate go run ./gen ../../../../docs/openapi.json
