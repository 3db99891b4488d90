// Package natsd runs a private NATS server with JetStream inside the process: the broker
// of the all-in-one binary and of tests.
//
// What it guarantees:
//
//   - A server owns its folder: a second [Start] on it, from this process or another, is
//     refused while the first runs. The claim dies with the process, however that ends.
//   - What JetStream acknowledged is there after [Server.Close] and another Start, and after
//     a kill of the process. With [Options.SyncAlways] it has reached the disk before it is
//     acknowledged, so that it also survives a crash of the machine (invariant 1).
//   - Without [Options.Listen] nothing outside the process can connect.
//   - The server handles no signals and never ends the process.
//
// What it does not guarantee:
//
//   - Access control. Whoever can reach the address in [Options.Listen] may do everything,
//     so it should be a loopback address.
//   - That state of consumers is synced: after a crash of the machine, messages that were
//     acknowledged just before may be delivered again.
//   - That [Start] returns early when its context ends: reading back a large store that was
//     not closed properly takes its time.
package natsd
