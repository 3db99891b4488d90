package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

func (a *app) syncRunCommand() *cobra.Command {
	var full, wait, asJSON bool
	var r reconcileFlags
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Begin a run now, whatever the schedule says",
		Long: `Begin a run now, also of a sync that is paused. When the next one is due does not change. Only one run of a sync
is under way at a time. It is "stoker up" that does it: Ctrl-C ends the waiting of --wait, and not the run. To end
it: stoker cancel IMPORT, with the id that stoker sync show has.

--full asks for all that the source has, whatever was imported before: after a discard, or to restore what was
changed by hand. What is stored already is found unchanged.

--reconcile does the same, and then deletes what the source does not have any more, for servers that do not say
what was deleted. How much that is, is shown first and has to be confirmed, unless --yes is given; then it is
deleted up to --max-deletes. It is for syncs of kind export, and only rows of the sync's supplier are deleted.

Exit codes with --wait: 0 unchanged or complete, 1 failed, 4 its import is paused, 5 complete, but what the source
lacks was not deleted.`,
		Example: `  stoker sync run trial --wait
  stoker sync run trial --full --wait
  stoker sync run trial --reconcile --wait                       # shows what is not there any more, and asks
  stoker sync run trial --reconcile --yes --max-deletes 2%`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				if conn.own != nil {
					return usage(`a run needs a running "stoker up"; start one, or name it by STOKER_URL`)
				}
				s, err := r.begin(ctx, conn, args[0], full)
				if err != nil {
					return err
				}
				if !wait {
					a.printf("a run of %s begins; see what comes of it with: stoker sync show %s\n", s.Name, s.Name)
					return nil
				}
				run, err := a.watchRun(ctx, conn, s, !asJSON)
				if err != nil && ctx.Err() != nil {
					a.note("the run goes on; see: stoker sync show %s", s.Name)
				}
				if err == nil && !asJSON {
					run, err = a.confirmRun(ctx, conn, run)
				}
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(run)
				} else {
					a.printf("%s\n", describeRun(run))
					failed, err := failedFiles(ctx, conn, run)
					if err != nil {
						return err
					}
					a.printFailed(run, failed)
				}
				return runExit(run)
			})
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "ask for all, whatever was imported before")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for its end, say what came of it, and tell by the exit code")
	cmd.Flags().BoolVar(&asJSON, "json", false, "with --wait: print the run as JSON, and ask nothing")
	r.add(cmd)
	return cmd
}

// watchRun waits for the end of the run that a sync has begun, or for its import to pause. With progress it says which import it is.
func (a *app) watchRun(ctx context.Context, conn *connection, s api.Sync, progress bool) (ledger.SyncRun, error) {
	if s.Last == nil {
		return ledger.SyncRun{}, errors.New("the run is not known any more")
	}
	due := s.Last.Due
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		for _, r := range s.Runs {
			if progress && r.Due.Equal(due) && r.Import != nil && !r.State.Ended() {
				progress = false
				a.note("import %s is under way; how far it is: stoker status %s", r.Import, r.Import)
			}
			if r.Due.Equal(due) && (r.State.Ended() || r.ImportState == ledger.StatePaused) {
				return r, nil
			}
		}
		select {
		case <-ctx.Done():
			return ledger.SyncRun{}, ctx.Err()
		case <-ticker.C:
		}
		var err error
		if s, err = conn.SyncProgress(ctx, s.Name); err != nil {
			return ledger.SyncRun{}, err
		}
	}
}

func runExit(r ledger.SyncRun) error {
	switch {
	case r.State == ledger.SyncFailed:
		return lifecycle.Exit{Code: ExitFailed, Err: errors.New("the run failed")}
	case !r.State.Ended():
		return lifecycle.Exit{Code: ExitPaused, Err: fmt.Errorf("its import is paused; see why with: stoker status %s", r.Import)}
	case r.Snapshot != nil && (r.Snapshot.State == ledger.SnapshotRefused || r.Snapshot.State == ledger.SnapshotNotApplied):
		return lifecycle.Exit{Code: ExitSnapshot, Err: errors.New("what the source lacks was not deleted")}
	default:
		return nil
	}
}
