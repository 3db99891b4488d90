package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// describeExport says which export a sync asks for.
func describeExport(e supplier.Export) string {
	what := "exports of all that it has"
	switch {
	case e.Group != "":
		what = "exports of the patients in Group " + e.Group
	case e.PatientLevel:
		what = "exports of all patients"
	}
	if len(e.Types) > 0 {
		what += ", of the types " + strings.Join(e.Types, ", ")
	}
	if len(e.TypeFilters) > 0 {
		what += fmt.Sprintf(", with %d type filters", len(e.TypeFilters))
	}
	overlap := e.Overlap
	if overlap == "" {
		overlap = "10m"
	}
	return what + "; after the first, of what has changed since the one before, with an overlap of " + overlap
}

// askedFor says what a run asked its source for.
func askedFor(s ledger.Sync, r ledger.SyncRun) string {
	switch {
	case s.Kind != supplier.SyncExport:
		if r.Full {
			return "all"
		}
		return "what is new"
	case r.MaxDeletes != nil:
		return "all, reconciled"
	case r.Since == nil && r.Import == nil && !r.Full:
		return "" // not known yet, or nothing could be asked
	case r.Since == nil:
		return "all"
	}
	asked := "since " + inZone(s, *r.Since)
	if r.Joined > 0 {
		asked += fmt.Sprintf(", and %d who joined", r.Joined)
	}
	return asked
}

// describeReconciled says what became of what the source of a run lacks; "" of a run that does not look.
func describeReconciled(s *ledger.Snapshot) string {
	if s == nil {
		return ""
	}
	var what string
	switch s.State {
	case ledger.SnapshotPending:
		what = "\nreconciled: what is not there any more is looked for when all is stored"
	case ledger.SnapshotDeleting, ledger.SnapshotApplied:
		what = fmt.Sprintf("\nreconciled: %s of %s rows were not there any more, and are deleted", thousands(s.Lacks), thousands(s.Before))
	case ledger.SnapshotRefused:
		var types []string
		for _, name := range slices.Sorted(maps.Keys(s.ByType)) {
			types = append(types, fmt.Sprintf("%s %s", name, thousands(s.ByType[name])))
		}
		what = fmt.Sprintf("\nreconciled: nothing is deleted yet; not there any more are: %s", strings.Join(types, ", "))
	case ledger.SnapshotNotApplied:
		what = "\nreconciled: nothing is deleted"
	}
	if s.Reason != "" {
		what += "\n  " + s.Reason
	}
	if s.Newer > 0 {
		what += fmt.Sprintf("\n  %s more rows changed after the export was made, and stay", thousands(s.Newer))
	}
	return what
}

// shownOutdated is how many keys that are outdated are shown to people.
const shownOutdated = 20

// printOutdated prints what is older here than at the source.
func (a *app) printOutdated(s api.Sync) error {
	if n := len(s.Outdated); n > 0 {
		a.printf("\noutdated, since a newer version was rejected, until a retry or a later version mends it: %s\n", plural(int64(n), "resource"))
		t := a.table()
		row(t, "RESOURCE", "REASON", "LINE", "FILE", "IMPORT")
		for _, k := range s.Outdated[:min(n, shownOutdated)] {
			row(t, k.Type+"/"+k.ID, k.Reason, thousands(k.Line), k.File, k.Import.String())
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if n > shownOutdated {
			a.printf("… and %s more; --json has all of them\n", thousands(int64(n-shownOutdated)))
		}
		a.printf("see: stoker rejects IMPORT; put through again by: stoker retry IMPORT; or mended by: stoker import FILE --mends IMPORT\n")
	}
	if s.UnknownRejects > 0 {
		a.printf("\n%s rejected of which it is not known what they are; see: stoker rejects IMPORT\n", plural(s.UnknownRejects, "line"))
	}
	if s.MoreRejects {
		a.printf("\nthere are more rejects than were looked at\n")
	}
	return nil
}
