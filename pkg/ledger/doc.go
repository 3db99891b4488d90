// Package ledger keeps the account of every import in PostgreSQL, schema "stoker": what
// was asked for, which files there are, what each stage says it did with each chunk and
// batch, and what was rejected.
//
// Stages state what they did; nothing is counted up in place. A statement has a key, so
// saying it twice changes nothing (invariant 2); one that differs about the same key
// is marked divergent and never added. Totals are sums of statements, so they balance at
// any moment:
//
//	lines      = blank + control + rejected + plain + bundles
//	resources  = plain + entries
//	           = rejected + ignored + inserted + updated + unchanged + stale
//	             + deleted + skipped + discarded + cancelled + missing
//
// missing includes what is in flight. An import is complete when its list of files and
// all files are closed and nothing is missing; that is decided in [Ledger.Settle], under
// the import's row lock and after the statements it counts were committed.
//
// Who says what: the fetcher directly ([Ledger.Accept] to [Ledger.CloseList]); parsers, which
// have no database, by messages that a writer's process records ([Ledger.RecordParsed],
// [Ledger.RecordRejects]); writers in the very transaction that stores a batch ([RecordWritten]).
//
// States of an import:
//
//	accepted → fetching → draining → complete | failed
//	accepted, fetching → paused → accepted
//	accepted, fetching, draining, paused → cancelled
//
// An import is paused also where more of it is rejected than its request allows, once. Issues
// are counted by kind from the parsers' statements. A retry ([Ledger.Retry]) is an import of its
// own that pins what the one pinned whose rejects it puts through again.
//
// An import that ended may be discarded, or a file of it ([Discard]): its statements then say
// discarded, the one exception to their being only added, and writers learn of it from
// [EnsureImport].
//
// Of a pull the page in hand is kept ([Ledger.KeepPage]) until its file is at its end.
//
// [Ledger.Outstanding] is what a supplier has on its way, by which fetchers hold it to its credit.
//
// Suppliers are declared by commands ([Ledger.AddSupplier]) or by a file ([Ledger.ApplySuppliers]).
// [Ledger.Accept] fills in a request by its supplier's policy, and pins that.
//
// The package does not guarantee that a supplier sent everything it has; it accounts for
// what was read.
package ledger
