// Package drop fetches what suppliers put into folders.
//
//	<drop>/
//	  clinic/                             a supplier's folder
//	    Patient.ndjson                    a delivery of one file
//	    2026-11-24/…                      a delivery of several files: one import
//	    2026-11-24.done                   says that it is complete; optional
//	    done/20261124T173512Z-<import>/   a delivery that was imported, with
//	      report.json                     what became of it, and
//	      outcomes.ndjson                 an OperationOutcome for each resource with issues
//	    failed/…                          the same, of an import that failed or was cancelled
//	  .taken/clinic/<import>/             deliveries that are being imported
//
// Whatever lies in a supplier's folder is a delivery, once it is complete:
//
//   - it was renamed into its place while this program looked (Linux tells), or
//   - there is a file of its name and ".done" beside it, or
//   - nothing of it changed for some seconds ([Config].Settle), by this machine's clock.
//
// Names that begin with a dot, and those of files under way (.tmp, .part and the like), are not
// looked at, nor are done and failed.
//
// A complete delivery is renamed into a folder named for a new import, where the supplier does not
// reach it, and the import is asked for. What lies there is all that a restart needs to go on:
// asking again under the same id changes nothing. When the import has ended, its folder gets the
// report and is renamed as a whole. So several fetchers may look after one drop folder,
// and one may be killed at any moment. All renames are within the drop folder, which must be one
// file system.
//
// Guarantees: a file is imported once for each time it is delivered; nothing outside the drop folder is
// read, whatever links it holds; nothing is removed but ".done" files. An import that failed is not tried again: its delivery lies in
// "failed", and is a new one when it is moved back. Not guaranteed: that a file
// whose writer paused for longer than Settle was complete. Suppliers that write slowly rename, or
// say so by ".done".
package drop
