// Package export is a client of FHIR's bulk export (Bulk Data Access IG, $export, in its versions 1, 2, 3.0.0 and
// 4.0.0-ballot): it asks for an export, polls its status, and removes it. The manifest that it ends with is package source's.
//
// A [Job] is stored by whoever calls, and moves by [Client.Step], which makes one move and says when the next one is due:
//
//	asking → under way → ready | failed
//	asking → failed
//
// So nobody waits for a server between two steps, and a step that is lost with its process is made again. Of a
// request for an export whose answer was lost the server may go on with a job that nobody knows; the
// specification has nothing against that.
//
// What is sent is strict, what is taken is not:
//
//   - An export is asked for by GET, which versions 1 to 3 have and some servers only, and where that is refused by
//     POST of Parameters, which is all that version 4 has. What names patients is not put into a URL: POST only.
//   - The status URL may be relative, in Location, and in an answer other than 202. X-Export-Status is heeded.
//   - 429, and other answers that pass, are no end of a job; how long is waited is what Retry-After says in either of
//     its forms, or else longer each time. A 5xx without an OperationOutcome is from something before the server,
//     and passes; with one it ends the job, unless its code says that it passes.
//   - 404 with an OperationOutcome to an export of changes (_since) is how some servers say that there are none.
//
// How often and for how long it is tried has limits. Of what a server says in its errors, codes and a short text
// without what may identify somebody are repeated, and nothing else.
package export
