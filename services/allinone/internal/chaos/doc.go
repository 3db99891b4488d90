// Package chaos breaks the pipeline while it works, and looks whether anything was lost.
//
// A round has a seed, which everything follows from: what two suppliers deliver into two
// datasets (repeated lines, updates, Bundles with deletions, lines that cannot be read,
// resources too large for a message) and a plan of faults. The deliveries are imported one after
// the other with nothing in their way; then all at once by real processes, each connected
// through a proxy of its own, while the faults of the plan strike:
//
//	kill     -9, and a start again: of a service, the NATS server, PostgreSQL
//	quit     PostgreSQL's immediate shutdown, and a start again
//	backend  -9 to one of PostgreSQL's own processes, after which it recovers
//	stop     a process stands still for seconds
//	cut      a connection is reset, in the middle of a message if one is under way
//	refuse   all connections are reset, and new ones too for seconds
//	hole     nothing gets through for seconds, in either direction
//	deaf     what is sent arrives, answers do not; then the connections are reset
//	halfopen the server lost the connections, the client learns of it seconds later
//	slow     everything takes longer
//
// A fault strikes when a share of the work is done, not at a time, so that a plan means much the
// same on any machine; where nothing moves, it strikes after a while. Before the first, all
// imports were accepted in their order, which is what decides between them.
//
// After the last fault every import must end complete, with nothing missing or divergent, both
// equations of the ledger holding, no dead letters, the lines, entries and rejects that the
// undisturbed run found, and the same digest over type, id, deletion and resource of each dataset.
//
// What the package does not guarantee: that a seed gives the same interleaving twice. It gives
// the same data and the same faults at about the same places.
package chaos
