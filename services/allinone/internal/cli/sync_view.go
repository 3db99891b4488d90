package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/allinone/internal/client"
)

func (a *app) printSyncs(list []ledger.Sync) error {
	if len(list) == 0 {
		a.printf("no syncs yet; declare one: stoker sync add NAME --from URL --every \"0 2 * * *\"\n")
		return nil
	}
	t := a.table()
	row(t, "SYNC", "SUPPLIER", "INTO", "EVERY", "LAST RUN", "OUTCOME", "RESOURCES", "REJECTED", "LAG", "NEXT RUN")
	for _, s := range list {
		last, outcome, seen, rejects := "never", "", "", ""
		if r := s.Last; r != nil {
			last, outcome, seen, rejects = inZone(s, r.Begun), string(r.State), thousands(r.Seen), thousands(rejected(*r))
			if r.ImportState == ledger.StatePaused && !r.State.Ended() {
				outcome = "import paused"
			}
		}
		row(t, s.Name, s.Supplier, s.Into, s.Every, last, outcome, seen, rejects, lag(s), next(s))
	}
	return t.Flush()
}

// printSync prints a sync; failed are the files of its newest run that failed.
func (a *app) printSync(s api.Sync, failed []ledger.FileStatus) error {
	a.printf("sync %s, of kind %s, declared by %s\n", s.Name, s.Kind, map[bool]string{true: "the file of suppliers", false: "command"}[s.FromFile])
	a.printf("from %s\n", s.From)
	if s.Export != nil {
		a.printf("%s\n", describeExport(*s.Export))
	}
	a.printf("supplier %s, dataset %s, mode %s, validation %s\n", s.Supplier, s.Into, modeOf(s.Sync), orPolicy(string(s.Validation)))
	a.printf("every %s in %s; %s\n", s.Every, s.Zone, nextRun(s.Sync))
	if s.Lag != nil {
		a.printf("lag %s\n", lag(s.Sync))
	}
	if len(s.Runs) == 0 {
		a.printf("\nno runs yet; begin one with: stoker sync run %s\n", s.Name)
		return nil
	}
	a.printf("\n")
	t := a.table()
	row(t, "DUE", "BEGUN", "TOOK", "ASKED FOR", "OUTCOME", "INSERTED", "UPDATED", "UNCHANGED", "DELETED", "REJECTED", "IMPORT")
	for _, r := range s.Runs {
		due, took, id := inZone(s.Sync, r.Due), "", ""
		if r.Manual {
			due = "by hand"
		}
		if r.Ended != nil {
			took = r.Ended.Sub(r.Begun).Round(100 * time.Millisecond).String()
		}
		if r.Import != nil {
			id = r.Import.String()
		}
		row(t, due, inZone(s.Sync, r.Begun), took, askedFor(s.Sync, r), string(r.State), thousands(r.Counts.Inserted), thousands(r.Counts.Updated),
			thousands(r.Counts.Unchanged), thousands(r.Counts.Deleted), thousands(rejected(r)), id)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a.printf("\nlast run: %s\n", describeRun(s.Runs[0]))
	a.printFailed(s.Runs[0], failed)
	for _, n := range s.Runs[0].Notices {
		a.printf("noticed: %s\n", n)
	}
	a.printEarlierFailures(s)
	return a.printOutdated(s)
}

// rejected is what was rejected of a run: lines and resources.
func rejected(r ledger.SyncRun) int64 { return r.RejectedLines + r.Counts.Rejected }

// shownFailures is how many files that failed, and earlier runs that failed, are shown.
const shownFailures = 5

// failedFiles are the files of a run's import that failed; none of a run that did not.
func failedFiles(ctx context.Context, conn *connection, r ledger.SyncRun) (failed []ledger.FileStatus, err error) {
	if r.State != ledger.SyncFailed || r.Import == nil {
		return nil, nil
	}
	status, err := conn.Status(ctx, *r.Import)
	if errors.Is(err, client.ErrNotFound) {
		return nil, nil // no fetcher has accepted it
	}
	for _, f := range status.Files {
		if f.State == "failed" {
			failed = append(failed, f)
		}
	}
	return failed, err
}

func (a *app) printFailed(r ledger.SyncRun, failed []ledger.FileStatus) {
	for i, f := range failed {
		if i == shownFailures {
			a.printf("… and %d more files failed; see: stoker status %s\n", len(failed)-i, r.Import)
			return
		}
		a.printf("failed: %s: %s\n", f.Name, f.Reason)
	}
}

// printEarlierFailures says why runs before the newest one failed.
func (a *app) printEarlierFailures(s api.Sync) {
	shown := 0
	for _, r := range s.Runs[1:] {
		if r.State != ledger.SyncFailed || r.Reason == "" {
			continue
		}
		if shown++; shown > shownFailures {
			return
		}
		if shown == 1 {
			a.printf("\nearlier runs that failed:\n")
		}
		a.printf("  %s: %s\n", inZone(s.Sync, r.Begun), r.Reason)
	}
}

// describeRun says what a run came to, and what to do about it.
func describeRun(r ledger.SyncRun) string {
	var what string
	switch r.State {
	case ledger.SyncAsking:
		what = "asks the source what it has"
	case ledger.SyncImporting:
		what = fmt.Sprintf("importing, %s resources so far; see: stoker status %s", thousands(r.Seen), r.Import)
		if r.ImportState == ledger.StatePaused {
			what = fmt.Sprintf("its import is paused, and no other run begins before it ends; see why with: stoker status %s", r.Import)
		}
	case ledger.SyncUnchanged:
		what = "unchanged; nothing was imported"
	case ledger.SyncComplete:
		what = fmt.Sprintf("complete: %s inserted, %s updated, %s unchanged, %s deleted, %s rejected; see: stoker status %s", thousands(r.Counts.Inserted),
			thousands(r.Counts.Updated), thousands(r.Counts.Unchanged), thousands(r.Counts.Deleted), thousands(rejected(r)), r.Import)
	case ledger.SyncFailed:
		what = "failed; the next run asks for the same again"
		if r.Import != nil {
			what += fmt.Sprintf("; see: stoker status %s", r.Import)
		}
	}
	if r.Reason != "" {
		what += "\nreason: " + r.Reason
	}
	return what + describeReconciled(r.Snapshot)
}

func modeOf(s ledger.Sync) string {
	if s.Mode == "" && s.Kind == supplier.SyncExport {
		return "sync unless the policy says otherwise"
	}
	return orPolicy(string(s.Mode))
}

func orPolicy(s string) string {
	if s == "" {
		return "as by policy"
	}
	return s
}

func nextRun(s ledger.Sync) string {
	switch at := next(s); {
	case s.Paused:
		return "paused; to go on: stoker sync resume " + s.Name
	case at == "":
		return "never due again"
	default:
		return "next run " + at
	}
}

func next(s ledger.Sync) string {
	switch {
	case s.Paused:
		return "paused"
	case s.Next == nil:
		return ""
	default:
		return inZone(s, *s.Next)
	}
}

// inZone is a time in the sync's own time zone, where that is known here.
func inZone(s ledger.Sync, t time.Time) string {
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		loc = time.UTC
	}
	return t.In(loc).Format("2006-01-02 15:04 MST")
}

func lag(s ledger.Sync) string {
	if s.Lag == nil {
		return ""
	}
	d := time.Duration(*s.Lag * float64(time.Second)).Round(time.Second)
	if d >= time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.String()
}
