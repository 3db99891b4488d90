// Package convert turns a chunk of a file into what a parser says of it: batches of
// resources by type, rejects, and the statement that accounts for every line.
//
// A line is blank, or a control line, or one resource, or a Bundle that is unrolled, or it
// is rejected. Control lines are Parameters without an id that have a parameter named
// header, as the bulk data organizeOutputBy sends them. Bundles are stored whole if they are
// documents or messages or if the file's declared type is Bundle. Of a resource is checked
// here what storing it needs: strict JSON, a resourceType of the import's FHIR version, an
// id. An id outside FHIR's pattern and a meta.lastUpdated that is no instant are counted as
// issues and taken.
//
// Guarantees: Convert is a pure function of the chunk: the same chunk gives the same
// messages, byte for byte, in the same order. The statement's equations hold (invariant 3);
// a chunk for which they could not is an error, and nothing is said of it. Memory is that of
// the chunk a few times over (invariant 6). Rejects hold content, since they are there to be
// mended; issue texts and errors do not (invariant 8).
//
// Not guaranteed: that resources are valid FHIR, or that references lead anywhere.
package convert
