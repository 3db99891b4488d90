// Package parser is the service that turns chunks of files into batches of resources. It is
// stateless: it reads from and writes to JetStream only, so any number of parsers may run.
//
// Guarantees: a chunk is acknowledged after its batches, its rejects and the statement
// about it are stored by JetStream (invariant 1). The same chunk gives the same messages
// under the same ids, whichever parser has it and however often (invariant 2). Every line
// ends as blank, control, rejected, a resource or a Bundle (invariant 3).
package parser
