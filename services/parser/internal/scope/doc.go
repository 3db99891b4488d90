// Package scope gives the resources of a supplier ids of their own, under the key policy "scoped":
// UUIDs, version 5, of the supplier and Type/id ([key.Maker.Scoped]). Every mention of a resource goes through the
// same function, whether what it means is in the delivery or not, so mentions and ids agree across
// files, imports and time.
//
// Rewritten are the id of a resource and those of the resources in a Bundle or in Parameters; the member
// reference of any object; relative attachment addresses, the member url of what is not a
// resource; and a Bundle's fullUrl. They are rewritten where they are Type/id, Type/id/_history/n, or either
// on the supplier's own server. Not touched are #fragments and the ids of contained resources,
// canonicals, logical references (identifier), conditional ones (Type?query), urn:, and what is on
// other servers.
//
// Guarantees: the result depends on supplier, base and document alone; it is the document but for the parts that are
// rewritten, byte for byte; time is linear in its length. Not guaranteed: mentions in text, in
// narratives, and in elements of other names.
package scope
