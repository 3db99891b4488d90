// Package submission does what follows from requests of $bulk-submit after they were answered: manifests
// are put into the queue as imports, and those that were replaced or stopped are undone.
//
// What is to be done is in the ledger before a request is answered, and every step may be repeated. So a process
// may be killed at any moment, and several may do the same at the same time. A manifest is
//
//	submitted → accepted, once its dataset keeps every version → queued → an import like any other
//	withdrawn → its import cancelled, then discarded, its retries too → undone
//
// What takes long, as undoing a large import does, is done one after the other for each supplier, and beside
// that of others.
package submission
