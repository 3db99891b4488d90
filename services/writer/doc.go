// Package writer is the service that stores resources. It consumes one subject per resource
// type and writes to PostgreSQL; beside that it records in the ledger what parsers state
// and reject, settles imports that are at their end, and trims the stream of resources.
//
// Any number of writers may run. They share the consumers, so each batch goes to one of
// them, and a batch that goes to two changes nothing the second time.
//
// Guarantees: a batch is acknowledged after the commit that stores it and its statement
// (invariant 1); while PostgreSQL is away batches are held, not refused (invariant 5). Its
// memory is bounded by [Config], whatever the backlog (invariant 6).
package writer
