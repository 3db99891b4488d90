// Package source finds and opens what an import names: files, the files of folders, content
// that was handed in, http(s) URLs, objects of buckets (S3), and the files that manifests list, those of exports ([ListExport]) included; and it asks servers for answers that are no files ([Site]). What it gives is bytes as they are at the source; that
// they may be compressed is not its concern.
//
// What it guarantees:
//
//   - [List] gives the same list in the same order for the same folder: by the bytes of the
//     path. What it passes over it names, with the reason.
//   - Nothing is read outside the folders that the configuration names, whatever a path, a
//     spool's name or a symbolic link says.
//   - io.EOF means that the whole content was delivered, each byte once. A transfer that was
//     cut short is continued, where the server can prove that the content is still the same,
//     or fails with [ErrCut]; it is never taken for whole.
//   - What changes while it is read, or between two readings, fails with [ErrChanged]; the
//     bytes of two states are never joined.
//   - Nothing is asked for over HTTP but what the policy of the configuration allows, and
//     credentials go where they belong; see package outbound.
//   - An object is pinned by its entity tag when it is listed. Under a policy nothing is read but what lies under
//     its bucket and prefix, and requests of a bucket go to the endpoint of the configuration.
//   - Manifests that follow each other come to an end: their number, that of their files, and the time for
//     all of them have limits. A file's URL that expired is renewed from its manifest, if that is still the same.
//   - Reading ends promptly with its context. Every wait for a server has a limit; how long
//     a transfer takes as a whole has none.
//   - Names and error texts hold no credentials: of a URL neither user, query nor fragment, and
//     nothing that a server sent.
//
// What it does not guarantee: that a change is seen which leaves a local file's size, time
// and inode as they were, or which a server denies by an equal strong validator (RFC 9110,
// section 8.8). A [Locator] holds a URL whole, with its credentials and headers, since it must be
// opened again.
package source
