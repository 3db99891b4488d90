// Package pgtest gives a test a PostgreSQL database of its own, or a server to kill. Tests
// only.
//
// Processes of tests run side by side, so they share one server, started by the first test
// that needs one; each test has a database in it. The server is private to the user, in a
// folder below the temporary folder. It ends by itself a minute after the last test
// that used it, however that ended, and all its data with it:
//
//   - A test that uses the server holds the folder's named pipe "users" open for writing. The kernel
//     closes it when the process ends, by whatever cause.
//   - A shell script holds the other end and reads. The end of the file means that no user is
//     left. Users write a line when they come, so it also sees those that came and went.
//   - The script waits, looks again, and then deletes the file "url". A test that had opened the
//     pipe and after that still found the file counts as a user, and keeps the server for as long
//     as it takes; later ones start the next server. The same is done by whoever finds a server that
//     does not answer.
//
// Beside the server's own, its folder has data of another one that was started once and has ended. Servers that a test starts
// for itself begin with a copy of them ([Server], [Cluster]), since initdb takes seconds; so do tests of package pgd, except
// for those of what comes before and with initdb.
//
// The server does not sync to disk, which makes tests fast and does not matter to those that
// kill processes, not machines.
//
// STOKER_TEST_DATABASE_URL names a server to use instead. Its user must be allowed to create
// databases.
package pgtest
