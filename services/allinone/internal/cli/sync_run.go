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
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Begin a run now, whatever the schedule says",
		Long: `Begin a run now, also of a sync that is paused. When the next one is due does not change. Only one run of a sync
is under way at a time.

--full asks for all that the source has, whatever was imported before: after a discard, or to restore what was
changed by hand. What is stored already is found unchanged.

Exit codes with --wait: 0 unchanged or complete, 1 failed, 4 its import is paused.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				if conn.own != nil {
					return usage(`a run needs a running "stoker up"; start one, or name it by STOKER_URL`)
				}
				s, err := conn.RunSync(ctx, args[0], full)
				if err != nil {
					return err
				}
				if !wait {
					a.printf("a run of %s begins; see what comes of it with: stoker sync show %s\n", s.Name, s.Name)
					return nil
				}
				return a.watchRun(ctx, conn, s, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "ask for all, whatever was imported before")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for its end, and tell by the exit code")
	cmd.Flags().BoolVar(&asJSON, "json", false, "with --wait: print the run as JSON")
	return cmd
}

// watchRun waits for the end of the run that a sync has begun.
func (a *app) watchRun(ctx context.Context, conn *connection, s api.Sync, asJSON bool) error {
	if s.Last == nil {
		return errors.New("the run is not known any more")
	}
	due := s.Last.Due
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		for _, r := range s.Runs {
			if !r.Due.Equal(due) || !r.State.Ended() && r.ImportState != ledger.StatePaused {
				continue
			}
			if asJSON {
				a.printJSON(r)
			} else {
				a.printf("%s\n", describeRun(r))
			}
			return runExit(r)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		var err error
		if s, err = conn.Sync(ctx, s.Name); err != nil {
			return err
		}
	}
}

func runExit(r ledger.SyncRun) error {
	switch {
	case r.State == ledger.SyncFailed:
		return lifecycle.Exit{Code: ExitFailed, Err: fmt.Errorf("the run failed: %s", r.Reason)}
	case !r.State.Ended():
		return lifecycle.Exit{Code: ExitPaused, Err: fmt.Errorf("its import is paused; see why with: stoker status %s", r.Import)}
	default:
		return nil
	}
}
