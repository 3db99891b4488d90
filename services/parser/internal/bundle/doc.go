// Package bundle takes a FHIR Bundle apart: it says for each entry whether it is a resource
// to store, a deletion, nothing of interest or something that cannot be taken, and under
// which key.
//
// Batch, transaction, collection, searchset, history and the two responses are unrolled,
// each entry on its own: a transaction's all-or-nothing is not kept, nor are conditions
// checked (ifMatch, ifNoneMatch; ifNoneExist only names the resource). Documents and
// messages are one thing and stored whole.
//
// The key of an entry's resource:
//
//   - its own id, if it has one; PUT Type/id must agree with it;
//   - PUT Type/id: the id of the URL;
//   - history and responses: the id of request.url, response.location or an http(s) fullUrl,
//     whichever comes first;
//   - PUT Type?search, POST with ifNoneExist: made from supplier, type and search;
//   - else made from supplier and fullUrl, and without one from supplier and content. Bundles
//     and Parameters within a Bundle get no made id.
//
// Entries of a history are its versions, newest first. What they say of themselves counts more than that: their
// dates (meta.lastUpdated, response.lastModified), or else the numbers of their versions (response.etag,
// meta.versionId). An entry without a date, as some servers send deletions, has that of the version before it in time.
//
// References between entries by urn: are replaced by Type/id: where a member named reference
// has the text of some entry's fullUrl, this string changes and no other byte. A fullUrl of
// two entries with different keys is left alone, and so are the insides of a Bundle in a
// Bundle, whose references are its own.
//
// Guarantees: the same Bundle gives the same entries. Every element of Bundle.entry is
// yielded once. Issues hold nothing of the content. Memory does not grow with the number of
// entries, save for a map of those with an urn: fullUrl where such references occur, and the dates of
// a history.
package bundle
