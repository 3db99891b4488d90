// Package api is the HTTP interface of `stoker up`: imports are asked for, watched, paused,
// resumed and cancelled here, and what became of resources is read. The command line
// uses nothing else, whether the services run in its own process or in another.
//
//	POST /imports                       ask for an import (JSON, fhirmsg.ImportRequest; id optional)
//	GET  /imports                       the newest imports
//	GET  /imports/{id}                  one, as it stands; ?progress=1: without kinds of issues
//	POST /imports/{id}/cancel           also: pause, resume
//	POST /imports/{id}/retry            put its rejects through again; ?validation=strict|warn|off
//	POST /imports/{id}/discard          undo it; ?file=: only this file; ?rehearse=1: only tell
//	PUT  /datasets/{dataset}/history    {"history": true} keeps every version from now on
//	POST /imports/{id}/snapshot         let a snapshot that was refused delete up to ?max_deletes=
//	GET  /imports/{id}/rejects          OperationOutcome, one a line; ?lines=1: the lines as they came; ?open=1: without those that were mended
//	GET  /imports/{id}/issues           the same, also of what was stored all the same
//	GET  /datasets/{dataset}/{type}/{id}  every delivery of a resource, and what is stored
//	POST /replays                       begin a replay (JSON, operate.ReplayRequest)
//	POST /restore                       bring back what a restored database lacks (JSON, operate.RestoreRequest)
//	GET  /replays                       the newest replays
//	GET  /replays/{id}                  one, as it stands
//	POST /replays/{id}/cancel           end it; what was written stays
//	GET  /datasets                      all datasets
//	POST /datasets/{dataset}/swap?with= give it the place of another one; tells what to wait for
//	DELETE /datasets/{dataset}          drop it with its rows
//	GET  /streams                       what waits, and how far back a replay can go
//	GET  /pressure                      which queues are full, which types are paused
//	POST /types/{type}/pause            stop storing a resource type; ?for=2h; also: resume
//	PUT  /spool                         hand in a file's content; answers with its name
//	PUT  /suppliers/{name}/files/{file} upload a file; ?delivery= as one of several
//	GET  /suppliers/{name}/deliveries/{delivery}  what of a delivery is there; also DELETE
//	POST /suppliers/{name}/deliveries/{delivery}/complete  all of it is there
//	POST /suppliers/{name}/uploads      announce a resumable upload (tus 1.0.0); also OPTIONS
//	PATCH /suppliers/{name}/uploads/{upload}  a part of it; also HEAD, DELETE
//	POST /buckets/events                events of an object store, in the form of S3
//	POST /fhir/{dataset}                one resource or Bundle; ?supplier= by an operator
//	POST /suppliers                     declare a supplier (JSON, supplier.Supplier); ?replace=1: anew
//	GET  /suppliers                     all that were declared
//	GET  /suppliers/{name}              one
//	DELETE /suppliers/{name}            refuse what it delivers from now on
//	POST /suppliers/{name}/tokens       make a bearer token; it is shown this once
//	POST /syncs                         declare a sync (JSON, supplier.Sync); ?replace=1: anew
//	GET  /syncs                         all of them, each with its last run
//	GET  /syncs/{name}                  one, with its runs, the newest first; also DELETE
//	POST /syncs/{name}/run              begin a run now; ?full=1: whatever was imported before; also: pause, resume
//	POST /fhir/$import                  ask for an import by FHIR's bulk import; also /fhir/{dataset}/$import
//	GET  /fhir/$import/status/{id}      how far it is, then what became of it; DELETE cancels and removes it
//	GET  /fhir/$import/outcome/{id}/{file}  OperationOutcome, one a line
//	POST /fhir/$bulk-submit             submit a manifest, replace one, complete or stop a submission; also /fhir/{dataset}/…
//	POST /fhir/$bulk-submit-status      ask where to watch a submission; ?supplier= by an operator, in both
//	GET  /fhir/$bulk-submit/status/{id} how far it is, then what became of it; DELETE removes the URL
//	GET  /fhir/$bulk-submit/outcome/{id}/{import}/{file}  OperationOutcome, one a line
//	POST /auth/token                    get an access token by a signed assertion (SMART Backend Services)
//	GET  /.well-known/smart-configuration  where that is; also below /fhir and /fhir/{dataset}
//	GET  /fhir/metadata                 CapabilityStatement; also /fhir/{dataset}/metadata
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
