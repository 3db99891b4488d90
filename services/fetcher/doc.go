// Package fetcher is the service that brings files in: it takes import requests, lists their
// files, reads them, and publishes their chunks.
//
// Any number of fetchers may run; an import is one fetcher's at a time. What a fetcher has
// done is in the ledger before anything depends on it: the list of files before the first
// of them is read, a file's validator before its first chunk, and each chunk once JetStream
// has it. So a fetcher that follows a crashed one goes on where that one was, and what it
// publishes twice has the same ids (invariants 1 and 2).
//
// An export that an import asks for at a supplier's server is in the ledger, with its status URL, before it is
// polled; between two polls the request is back in the queue. It is removed from its server by whoever reads the last
// file, or else by any fetcher, which look for what is left over.
//
// A pull is read page by page; see internal/pull. What a page has is in the ledger before it is published, and what comes next
// with it, since the server need not answer the same again: so chunks are of the same bytes whoever publishes them.
//
// What suppliers publish over NATS becomes imports here too; see internal/delivery. Requests that
// they publish are held to their policies.
//
// A file that cannot be read, or not to its end, fails with a reason; its import goes on with
// the others. A file that changed since its first chunk fails too: lines of two states of a
// file are never mixed.
package fetcher
