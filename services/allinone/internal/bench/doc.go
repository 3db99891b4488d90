// Package bench measures the pipeline as its users run it: separate processes for NATS,
// fetcher, parser and writer, a PostgreSQL of its own, and synchronous_commit on. Every
// round runs all scenarios one after the other, so that a machine whose speed drifts
// harms all of them alike; the first round is discarded and medians are reported, each as a
// ratio to the ceiling of the same round, and to the binary one.
//
//	ceiling   psql's \copy of the same lines into one jsonb column, no key, lz4, two connections
//	binary    the same in COPY's binary format, which spares PostgreSQL looking for lines and columns
//	off       the whole pipeline into empty tables, resources not checked against the definitions
//	strict    the same, checked; one with an error would be rejected
//	fresh     the same as imports are by default: checked, errors reported
//	replay    the same messages again, from the stream of resources
//	reimport  a new import of equal content: versions move
//	updates   a new import in which every resource's content changed
package bench
