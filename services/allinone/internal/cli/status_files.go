package cli

import (
	"fmt"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// maxFiles is how many files a status shows besides those that failed or differ.
const maxFiles = 20

func (a *app) printFiles(s ledger.Status) {
	t := a.table()
	row(t, "FILE", "STATE", "LINES", "BYTES", "")
	shown := 0
	for _, f := range s.Files {
		if f.State != "failed" && !f.Differs {
			if shown++; shown > maxFiles {
				continue
			}
		}
		row(t, f.Name, f.State, thousands(f.Lines), thousands(f.Bytes), fileNote(f))
	}
	_ = t.Flush()
	if shown > maxFiles {
		a.printf("… and %d more files (all of them with --json)\n", shown-maxFiles)
	}
	for i, f := range s.Skipped {
		if i == maxFiles {
			a.printf("… and %d more skipped (all of them with --json)\n", len(s.Skipped)-maxFiles)
			break
		}
		a.printf("skipped %s: %s\n", f.Name, f.Reason)
	}
	a.printf("\n")
}

// fileNote is what there is to say of a file.
func fileNote(f ledger.FileStatus) string {
	var notes []string
	switch f.Kind {
	case ledger.KindDeleted:
		notes = append(notes, "deletions")
	case ledger.KindOutcome:
		notes = append(notes, "outcomes, not stored")
	case ledger.KindAbsent:
		notes = append(notes, "deletions of what the snapshot lacks")
	}
	if f.Differs {
		notes = append(notes, fmt.Sprintf("its manifest says %s resources", thousands(*f.Announced)))
	}
	if f.Reason != "" {
		notes = append(notes, f.Reason)
	}
	return strings.Join(notes, "; ")
}

// printManifestRemarks prints where what was read is not what manifests say, or want to say.
func (a *app) printManifestRemarks(s ledger.Status) {
	differ, outcomes := 0, int64(0)
	for _, f := range s.Files {
		if f.Differs {
			differ++
		}
		if f.Kind == ledger.KindOutcome {
			outcomes += f.Lines
		}
	}
	if differ > 0 {
		a.printf("\n%d files have another number of resources than their manifest says\n", differ)
	}
	if outcomes > 0 {
		a.printf("\nthe supplier reports %s outcomes of its own work, in the files marked so\n", thousands(outcomes))
	}
}
