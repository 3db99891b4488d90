package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/allinone/internal/client"
)

func (a *app) syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Ask suppliers' servers on a schedule, and import what is new",
		Long: `Ask suppliers' servers on a schedule, and import what is new: by bulk exports of what has changed since the
last one ($export), or by what a server publishes ($bulk-publish, or any manifest at a URL). "stoker up" has
to be running: it runs syncs when they are due. What failed is asked for again by the next run; runs that
were missed are made up by one. Syncs can also be declared in the file of suppliers (STOKER_SUPPLIERS).
See docs/sync.md.`,
		Example: `  stoker sync add directory --from 'https://example.org/fhir/$bulk-publish' --every "0 2 * * *" --zone Europe/Berlin
  stoker sync add trial --from https://example.org/fhir --group 7 --every "0 2 * * *" --into trial
  stoker sync list                   what ran, what came of it, what is next
  stoker sync run directory --wait   now, whatever the schedule says`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.syncAddCommand(), a.syncListCommand(), a.syncShowCommand(), a.syncRunCommand(),
		a.syncPauseCommand(), a.syncResumeCommand(), a.syncRemoveCommand())
	return cmd
}

func (a *app) syncListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show all syncs: what ran last, what came of it, what is next",
		Long: `Show all syncs: what ran last, what came of it, and when the next run is due, in the time zone of
each. OUTCOME is that of the last run: asking (the source is asked what it has), importing, complete,
unchanged (nothing was new) or failed. RESOURCES and REJECTED are what it read, and what of that was rejected.

LAG is how long ago the newest run began that was complete or unchanged; nothing before the first. Alert
on it: --json has it as lag_seconds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				list, err := conn.Syncs(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(list)
					return nil
				}
				return a.printSyncs(list)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) syncShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a sync with its newest runs, what was noticed, and what is outdated",
		Long: `Show a sync with its newest runs, why runs failed, and what was noticed in the last one: for example that
the server ignored a parameter. A resource is outdated when a newer version of it was rejected; it is
listed until a retry or a later version mends it.

Times are in the time zone of the sync. DUE is when a run was due, or "by hand". ASKED FOR is what the
source was asked for: all, or what has changed since a time.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				s, err := conn.Sync(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(s)
					return nil
				}
				var failed []ledger.FileStatus
				if len(s.Runs) > 0 {
					if failed, err = failedFiles(ctx, conn, s.Runs[0]); err != nil {
						return err
					}
				}
				return a.printSync(s, failed)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) syncPauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pause NAME",
		Short: "Let no run begin; one that is under way goes on",
		Long: `Let no run begin when it is due; one that is under way goes on, and "stoker sync run" still begins one.
Runs that were due in a pause are not made up: the next one asks for what has changed meanwhile.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeSync(cmd.Context(), args[0], (*client.Client).PauseSync)
		},
	}
}

func (a *app) syncResumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Let a paused sync run again, when it is due next",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeSync(cmd.Context(), args[0], (*client.Client).ResumeSync)
		},
	}
}

func (a *app) changeSync(ctx context.Context, name string, change func(*client.Client, context.Context, string) (api.Sync, error)) error {
	return a.withConnection(ctx, func(ctx context.Context, conn *connection) error {
		s, err := change(conn.Client, ctx, name)
		if err != nil {
			return err
		}
		a.printf("%s: %s\n", s.Name, nextRun(s.Sync))
		return nil
	})
}

func (a *app) syncRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget a sync and its runs; what it imported stays",
		Long: `Forget a sync, its runs and how far its source was imported. What it imported stays, and an import that is
under way goes on. To let it rest for a while: stoker sync pause.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				if err := conn.RemoveSync(ctx, args[0]); err != nil {
					return err
				}
				a.printf("removed %s; what it imported stays\n", args[0])
				return nil
			})
		},
	}
}
