// Package smart is SMART Backend Services (https://hl7.org/fhir/smart-app-launch/backend-services.html) on both
// sides: suppliers prove by a signed assertion who they are and get a short-lived token ([Endpoint]), and the
// fetcher does the same at the servers of suppliers ([Tokens]). docs/smart.md is this package for operators.
//
// What the endpoint guarantees:
//
//   - Signatures are RS384 or ES384, and are checked with a key that was registered for the client, and of the
//     kind that the algorithm wants. Keys that an assertion brings along or points to are not used.
//   - An assertion is for this endpoint alone, lives for five minutes at most, and is good for one token: that it
//     was used is in the ledger, before the token is, for all processes and across restarts. For clocks that differ there are
//     [Skew] to spare.
//   - What is kept of a token is its hash. It is worth nothing after [TokenLife], or when its supplier was removed or has
//     another client id.
//   - Keys by URL are fetched under the supplier's own policy (package outbound), from nowhere but that URL, within limits on
//     size and time, and no more often than [KeysEvery] whatever is asked.
//
// What [Tokens] guarantees: an assertion goes to the token endpoint that was configured, or to one that the server's
// discovery names and that the supplier's policy allows; a token goes to the URLs that need it, and to no other. Errors and logs
// hold neither keys nor tokens nor assertions, nor what a server sent.
//
// What is not guaranteed: after a restore of the ledger from a backup, an assertion of the last five minutes before could be used a
// second time, within its life.
package smart
