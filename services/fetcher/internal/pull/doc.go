// Package pull reads what a FHIR server has of a cohort of patients, by Patient/[id]/$everything or by searches, page by page:
// of servers that offer no bulk export.
//
// A pull becomes files: [Plan] makes one for each patient, one for the deletions of each type where they are asked for, and one
// for what the others point to and the server left out. A file is queries, one after the other, and a query is
// pages. [Session.Next] asks for one page and says which is next: a [Place], which is stored by whoever calls, so that
// nothing is lost with a process but a page that was on its way.
//
// A page becomes lines of ndjson, one for each entry: the resource as it came, but for the ends of lines in it; or a Bundle with
// that one entry, where a parser needs the entry to judge the resource: without an id, a Bundle, a deletion. An
// OperationOutcome about the search is none of the resources: its codes are a note.
//
// What it guarantees:
//
//   - A page is whole or an error, which says which page it was: an answer that is cut short, no FHIR, or of another
//     query than the one asked, is no page.
//   - Paging ends: pages that lead back to an earlier one, or come again, are an error (Brent's algorithm, so
//     nothing grows with their number).
//   - Every URL is asked for under the supplier's policy. Without one, links lead nowhere but to the origin of the server.
//   - Of what a server says in its errors, codes are repeated, and no texts. Errors and notes hold no query, which may
//     name patients.
//   - Requests at once, and in a second, have limits.
//
// What it does not guarantee: that pages of one query are of one state of the server, which only the server could. What
// changes while it is asked for may be missing or be there twice; asked for since the beginning of this pull, it comes
// the next time.
package pull
