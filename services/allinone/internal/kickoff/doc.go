// Package kickoff reads what is sent to $import and to $bulk-submit.
//
// There are two proposals of $import, and both are taken:
//
//   - ping and pull (smart-on-fhir/bulk-import, import-pnp.md): Parameters with exportUrl, where a bulk export is to be
//     asked for with all other parameters (exportType dynamic, or none), or the URL of a manifest (static);
//   - the manifest form (import-manifest.md, and the servers that took it up): the list of files itself, as JSON
//     or as Parameters.
//
// Of $bulk-submit and $bulk-submit-status (Bulk Data Access IG 4.0.0-ballot, submit.md) the words of the ballot
// are taken, and those of the draft of Argonaut that came before and that senders still use.
//
// Senders differ from the proposals, and from each other, in content types, in types of values and in names, so
// all of these are read. What is not known and would change what is imported is an error. Errors name the
// parameter, and repeat no URL.
package kickoff
