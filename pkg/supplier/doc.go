// Package supplier says who may deliver, and how what is delivered is processed: names,
// policies, credentials, and the file suppliers.yaml that declares them. docs/suppliers.md is
// this package for operators.
//
// A [Policy] is pinned with each import that is accepted under it, so that a change of it counts for
// what is accepted later. [Credentials] are not: they say who asks, not what for.
//
// A token is 256 bits of a cryptographic random number, so what is stored is its plain SHA-256: no
// dictionary can be tried against it, and a slow hash with a salt would protect nothing more.
package supplier
