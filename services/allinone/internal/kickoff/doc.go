// Package kickoff reads what is sent to $import. There are two proposals of it, and both are taken:
//
//   - ping and pull (smart-on-fhir/bulk-import, import-pnp.md): Parameters with exportUrl, where a bulk export is to be
//     asked for with all other parameters (exportType dynamic, or none), or the URL of a manifest (static);
//   - the manifest form (import-manifest.md, and the servers that took it up): the list of files itself, as JSON
//     or as Parameters.
//
// Senders differ from the proposals, and from each other, in content types, in types of values and in names, so
// all of these are read. What is not known and would change what is imported is an error. Errors name the
// parameter, and repeat no URL.
package kickoff
