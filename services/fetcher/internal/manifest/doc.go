// Package manifest reads the lists of files that suppliers publish:
//
//   - of the Bulk Data Access IG: the complete-status manifests of $export in its versions 1, 2,
//     3.0.0 and 4.0.0-ballot, of $bulk-submit, and of $bulk-publish with its chains;
//   - of $import: the manifest form of its proposal and of the servers that took it up, as JSON and
//     as a Parameters resource.
//
// They differ in names (error and outcome, input and inputs, type and resourceType) and in shapes,
// and what servers send differs more than the specifications do. So the reader takes all of it at once
// and ignores what it does not know: extension in any form, and continuesInFile, which in practice names files
// that there are not. Of request it is looked only whether it asks for a part ([Manifest.Part]). A file is one entry of a list; all files are listed, also those
// that continue others.
//
// Nothing in a manifest is trusted: its size, the number and length of what it lists are limited, and
// memory does not grow beyond that. An entry that cannot be fetched is there with its [File.Problem], so
// that it can be accounted for. What is not a manifest is an error, which names the place and
// repeats nothing of the content.
package manifest
