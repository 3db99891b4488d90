// Package journal keeps in NATS what the ledger has that no other message tells, and brings a
// ledger up to date with it that was restored from a backup.
//
// Published in the stream JOURNAL are the state of each import, the list of its files, how far
// each was read, what became of each batch, and what was changed of a dataset as a whole. Rejects and
// what parsers stated are in streams of their own, which are kept too.
//
// When it is published:
//
//   - How far a file was read, before the ledger has it: the ledger is where a fetcher goes on.
//   - What became of a batch, after the commit and before its message is acknowledged: a batch
//     that is not acknowledged comes again.
//   - The state of an import and what changed of a dataset, after the commit and before whoever
//     asked for it is answered. If the process ends between the two, a writer publishes it: the
//     ledger knows what was not published.
//
// So at any moment what the database has and the journal lacks is of messages that are not acknowledged,
// or of commands that were not answered; they come again, or are given again.
//
// The stream may hold what is none of these: suppliers can have JetStream's answers sent there. Such messages are passed over.
//
// Not guaranteed: anything about what was trimmed. [Journal.Restore] refuses if something is missing.
package journal
