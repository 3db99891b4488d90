// Package delivery makes imports of what suppliers publish on stoker.deliver.<supplier>.
//
// Messages stay in the stream DELIVER until what they hold is in the stream of chunks. A [Gatherer] reads
// their headers in order and decides which of them become one import: those of a delivery that their supplier
// names, up to the message that ends it; others by size and time. That decision, and how far the stream was read,
// are stored together, so each message is in one delivery, however often gatherers are killed and
// whichever goes on. Then an import is asked for, whose one file is these messages, as [Open] reads
// them. When the import was fetched, or has ended without, its messages are purged.
//
// What it guarantees:
//
//   - A message is in one import, and stays until all of its content is in the queue (invariants 1 and 2).
//   - One gathers at a time; any number may stand by.
//   - Whatever a message holds, the line does not stop: what cannot be decoded becomes a line of
//     the file that says so, with the payload in base64, which the parser rejects. Another message is not touched by it.
//   - Memory is bounded by the number of messages in the stream, which has a limit for each supplier, and one
//     message is decoded at a time.
//
// JetStream's answers to other suppliers, which these can have sent here, are no messages of the supplier, and are dropped.
//
// What it does not guarantee: that a delivery is one import. One that is larger than an import may be, or that is
// not ended for long, is several.
package delivery
