// Package fhirmsg is Stoker's public contract: what its services say to each
// other over NATS JetStream, and what anyone else may say to them or read.
//
// It holds names of subjects and streams, the messages and their encoding, the
// order of versions, and the ids that make repeats harmless. It is made of pure
// functions: no connection, no clock, no state. It imports the standard library
// and the S2 codec only, so that a supplier's program can depend on it cheaply.
//
// Messages are of two kinds. Small ones (import requests, statements, rejects)
// are JSON objects. Large ones (chunks, batches) are an envelope: a JSON header,
// then a body compressed with S2; see [AppendEnvelope]. In both, a reader ignores
// fields that it does not know, so a new field never breaks an old reader. What a
// released version wrote is kept under testdata/ as golden files and stays
// readable.
//
// The package guarantees that encoding is deterministic: the same value gives the
// same bytes, so that ids computed over them are stable. It does not guarantee
// that a message is true: a receiver checks what it depends on.
package fhirmsg
