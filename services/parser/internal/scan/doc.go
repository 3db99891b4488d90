// Package scan reads one JSON document in one pass over its bytes: it checks that the
// document is JSON that can be stored, and picks out what keys and orders a resource.
//
// Accepted is RFC 8259, and less of it than that allows where a store would fail or two
// readers would differ: valid UTF-8, no name twice in an object (compared after unescaping),
// no \u0000, no lone surrogate, nesting of at most [MaxDepth], numbers within PostgreSQL's
// numeric. Numbers and all other bytes are kept as written: nothing is decoded but the few
// strings that are looked for.
//
// There is no tree and no event stream. [Scanner] descends through the values and knows by
// a [place] where it is in a resource; lookup, a table of places, says which members are of
// interest there and what place their values are. That table is where knowledge of FHIR
// enters: a place for each element definition and a check for each value make the same
// pass a validation.
//
// Guarantees: time is linear in the document's length, but for sorting the names of objects
// with more than a few, whatever the document is; nothing is allocated once the buffers
// have grown; errors never hold content. A document that is accepted is valid for
// encoding/json too. Not guaranteed: that the document is a resource, or valid FHIR.
package scan
