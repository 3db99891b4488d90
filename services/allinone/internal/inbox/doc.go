// Package inbox keeps on disk what suppliers upload, until a fetcher has read it. It is a part of the
// spool: what it hands over are sources of the kind spool.
//
//	uploads/<supplier>/open/<delivery>/files/…      what is being received
//	uploads/<supplier>/ready/<import>/files/…       what was received whole, and is an import
//	uploads/<supplier>/ready/<import>/request.json  its request, as long as it may not be in the queue
//
// What was handed in by itself, to be named by an import, lies in the spool's folder until then; the import that names it gets it as
// a delivery ([Inbox.HandKept]). So what lies there belongs to no import, and is removed when its time is up.
//
// A delivery is whole from the rename on that moves it from open to ready, with its request in it, and
// everything in it is on disk by then. So a process may be killed at any moment: what was half received is
// never taken for whole, and a request that did not reach the queue is found again ([Inbox.Waiting]).
//
// It does not look into files: content tells the format, when it is fetched. It takes whoever calls for one
// process: two must not have the same folder.
package inbox
