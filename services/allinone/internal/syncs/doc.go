// Package syncs runs what is to be imported on a schedule. All that it knows is in the ledger (stoker.sync and
// stoker.sync_run), so any number of processes may run it.
//
// A run goes so, and each arrow is one transaction:
//
//	due → asking → unchanged
//	             → importing → complete
//	             → failed    → failed
//
// What it guarantees:
//
//   - A run begins once for each time that the sync is due, whichever process sees it first; those that were missed
//     since no process was there, or since one was under way, are made up by one.
//   - A source is asked by one process at a time. When that dies, another one asks.
//   - The request for the import is recorded before it is published, and its id is of the sync, of when the run was
//     due, and of what was found: it is one import, wherever the process dies.
//   - What is known of a source (the cursor) moves when the import is complete, and not otherwise. So what failed is asked for
//     again by the next run.
//
// What it does not guarantee: that a run begins at the second. It looks once a second, and a source that is slow to answer
// holds back others when there are more of that kind than are asked at once.
package syncs
