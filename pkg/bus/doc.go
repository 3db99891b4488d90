// Package bus is Stoker's use of NATS JetStream: the topology, publishing that waits when
// a queue is full, and a consume loop in which a handler's error decides a message's fate.
//
// What it guarantees:
//
//   - [Bus.Publish] returns nil only once JetStream has stored the message (invariant 1). A
//     full stream, a lost connection or a restarting server slow it down; they never lose
//     the message and never end the wait before the context does (invariant 4).
//   - [Bus.Consume] acknowledges a message only after its handler returned nil. An error made
//     by [Permanent] moves it to the dead letter stream, with its reason; one made by [Later]
//     hands it back, to be delivered again after a delay. Any other error
//     holds the message, tells JetStream that it is in hand, and calls the handler again,
//     with back-off, for as long as it takes (invariant 5).
//   - [Bus.ConsumeChunks] serves suppliers in turn, whatever each has waiting (invariant 6).
//   - A message that was delivered before is handed to the handler alone, since it may be
//     what ended the process that had it.
//   - A payload over the server's limit travels through the object store, unseen by both
//     sides.
//
// What it does not guarantee: that a handler sees a message once. Handlers are idempotent.
package bus
