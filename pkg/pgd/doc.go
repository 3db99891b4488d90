// Package pgd runs a private PostgreSQL server in a folder: the database of the all-in-one
// binary when no other is given. The programs are those installed on the machine.
//
// # What is where
//
// Everything is in [Options.Dir]: "data" is the database cluster, "socket" the folder of the
// unix socket (mode 0700; the server listens nowhere else), "postgresql.log" its log and "lock"
// the claim of the running process. Deleting the folder deletes the database.
//
// There are two exceptions. PostgreSQL refuses to run as root, so root runs it as the
// user "postgres", or "nobody" where there is none, or as whoever owns the data already. Where that
// user cannot enter Dir, as below /root or in a folder made by mktemp -d, data and socket go to
// /var/lib/stoker/pg-<random>, and the file "location" in Dir holds that path. With Dir deleted, the
// next start makes a fresh database; [Remove] deletes both. What belonged to a folder below the
// temporary folder that is gone, the next new database there deletes. And a path too long or too
// odd for a socket gets its socket in a folder with a short random name below the temporary
// folder, which Close removes.
//
// # Starting
//
// The first start runs initdb in a folder beside "data" and renames it when it is whole, so an
// initdb that was interrupted leaves nothing that a later start would take for a cluster.
// A start holds the lock of Dir for as long as the server runs. So whatever still runs on
// the data then was left behind by a process that was killed: it is stopped, in order, before
// a new server is started. Its process id is believed only if that process is a PostgreSQL
// of this data folder. A cluster is run by programs of the version that made it.
//
// # Stopping
//
// [Server.Close] stops the server in order. If the process ends without it, even by a kill,
// Linux sends the server the signal to do so. That signal (Pdeathsig) is bound to the thread that
// started the server, not to the process, and Go ends and makes threads as it likes; so the goroutine that
// starts the server keeps its thread to itself until the server has ended. The server is in a
// process group of its own: a Ctrl-C on the terminal is for its parent alone.
//
// # What it guarantees
//
//   - What was committed stays, whichever process is killed and whenever; with the default
//     settings also when the machine crashes (invariant 1: synchronous_commit, fsync and
//     full_page_writes are on).
//   - Its log holds no values: neither statements nor parameters, no details of errors and not
//     the errors of statements themselves, which quote values; those go to the client (invariant 8).
//     [Options.Settings] can undo that.
//
// # What it does not guarantee
//
//   - Protection from other processes of the user that the server runs as: whoever may enter the
//     socket's folder is let in without a password, as a superuser.
//   - Upgrades of a cluster to another major version, and backups.
//   - Systems other than Linux: there a server that outlived its parent is neither stopped by
//     the parent's death nor found by the next start, which then fails and says so.
package pgd
