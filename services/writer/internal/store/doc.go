// Package store keeps resources in PostgreSQL under the version rule: for each key the
// one with the greatest version stays, whatever the order of arrival.
//
// A dataset is a schema. A resource type is a table in it that holds live rows only, so
// that count(*), TRUNCATE, indexes and publications mean what they say; deletions are rows
// of "<dataset>".tombstone. A key is in one of the two.
//
// [Store.Write] stores batches in one transaction together with their statements:
//
//  1. Locks: the dataset's, shared, which is not waited for (invariant 7); then the type's, shared, or exclusive where
//     the batches hold a deletion. So a deletion never runs beside a write of the same
//     type, and a tombstone that is seen stays, unless something newer brings it to life.
//     Under it, what was discarded and cancelled of the imports is read, and left out.
//  2. Ask what is there for the keys, COPY what is new, update what is newer, send no body
//     for what is unchanged. A few keys are asked for first: where those are all new, or all
//     there with other or with equal content, the others are taken for that too, and what turns out
//     otherwise is asked for ([guess]).
//  3. The answer to the question is a hint: another writer may have asked before either
//     wrote. Every update says again under which condition it holds, what happened is read
//     from RETURNING, and keys that matched nothing are asked for again. A row that
//     someone inserted meanwhile is a unique violation: the transaction begins again.
//
// Lock order: dataset, type, rows of the history by id, rows by id.
//
// Guarantees: either all of it is committed or nothing; the same batch again changes
// nothing; any order gives the same rows. Data that PostgreSQL refuses is found and
// rejected alone (invariant 5). Where an import has a key twice, it does not guarantee how its
// outcomes divide, as into updated and stale or unchanged and stale; their sum is fixed.
//
// A dataset may keep a history: beside each type's table, every version that was seen, those that
// lose included, in the same transaction ([SetHistory]). [Discard] undoes an import. It holds the
// dataset's lock exclusively, takes the import's versions out of the history, and gives the keys
// on which the import stands the greatest version left; a greater one stands on all others, so they
// need nothing. That is right where the history began before the import was accepted: then
// it has all that the import may have hidden. Otherwise a discard must prove that it hid nothing.
//
// SUBSETTED resources rank below all full ones, and a tombstone ranks as full.
package store
