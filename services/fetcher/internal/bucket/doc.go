// Package bucket fetches what suppliers put into buckets of an object store (S3, MinIO and the like).
//
// A supplier's policy names its bucket and prefix. An object that comes to lie there is a delivery, one
// import for each state of it, unless that fails: its key, entity tag and time of change make the import's id, so that it is the same
// import whoever finds the object, and however often. It is found
//
//   - by an event of the store, which only says where to look: what is imported is what the listing has. So an
//     event that is late, repeated, out of order or made up does no harm;
//   - by a sweep, which lists the whole prefix at the start and every few minutes, for what events missed.
//
// What was found waits here, the oldest first, and is handed over while few of its supplier's imports are
// under way. Handing over accepts the import, which gives it its place in the order of all imports, and then
// asks for it. So of two objects of a supplier that wait, the one that changed later wins.
//
// All that is remembered is in the ledger. So several fetchers may look after the same buckets, and one may be
// killed at any moment: what was found is found again, and what was accepted and not asked for is asked for.
//
// An object whose import failed is tried again, by a sweep or an event that finds it when a wait is over: each attempt is an import, whose
// id is made of the attempt's number too, and which has its place in the order right behind the first. After [MaxAttempts] the
// object is given up, and each sweep counts it among those. Another state of the object has attempts of its own.
//
// Names are judged as in a folder: hidden ones, and those with other endings, are passed over. What lies
// outside the prefix is not looked at.
//
// Not guaranteed: that a state is imported which was overwritten or removed before it was looked at, or read. The
// import of one that changed before it was read fails, and the new state has an import of its own.
package bucket
