package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// replayFlags are the flags of `stoker replay`.
type replayFlags struct {
	req          operate.ReplayRequest
	since, imp   string
	detach, json bool
}

func (a *app) replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Write again what the queue still has of a dataset, into it or into another one",
		Long: `Write again what the queue still has of a dataset. Over rows that are there it changes
nothing; rows that were lost, as by a TRUNCATE or a restore, come back; --into builds another
dataset, which "stoker dataset swap" can put in the first one's place; --force restores rows
that were edited by hand. No replay makes a new version or overwrites a newer one.

After PostgreSQL was restored from a backup: --since with the time at which the backup began, and
no dataset. It brings back all that came since, rows and accounts of all datasets; see docs/restore.md.

All running writers share the work. Ctrl-C leaves it to them. How far back a replay can go:
stoker streams. A replay that would miss messages that were trimmed is refused, unless
--available is given.

Exit codes: 0 complete, 1 failed or refused, 2 wrong usage, 4 it goes on without this command.`,
		Example: `  stoker replay --type Patient
  stoker replay --since 2026-05-01T00:00:00Z          after a restore of a backup of that time
  stoker replay --dataset fhir --into fhir-new
  stoker replay show ID`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.restores(cmd) {
				return a.runRestore(cmd.Context(), f)
			}
			return a.runReplay(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.req.Dataset, "dataset", fhirmsg.DefaultDataset, "dataset whose messages are read; all with --since alone")
	flags.StringVar(&f.req.Into, "into", "", "dataset to write into (default the same); made if it is missing")
	flags.StringSliceVar(&f.req.Types, "type", nil, "only this resource type; may be given several times")
	flags.StringVar(&f.imp, "import", "", "only what this import brought, by its id")
	flags.StringVar(&f.since, "since", "", "only what was queued at this time (RFC 3339) or later; without a dataset, all that came since, accounts included")
	flags.Uint64Var(&f.req.FromSequence, "from-sequence", 0, "only messages from this sequence of the stream on")
	flags.BoolVar(&f.req.Force, "force", false, "write bodies also where the very version is there")
	flags.BoolVar(&f.req.Available, "available", false, "replay what there is, also if older messages were trimmed")
	flags.BoolVar(&f.detach, "detach", false, "print the replay's id and return; needs running writers")
	flags.BoolVar(&f.json, "json", false, "print the replay as one JSON object at the end, and no progress")
	cmd.AddCommand(a.replayListCommand(), a.replayShowCommand(), a.replayCancelCommand())
	return cmd
}

func (f *replayFlags) request() (req operate.ReplayRequest, err error) {
	req = f.req
	if f.since != "" {
		since, err := time.Parse(time.RFC3339, f.since)
		if err != nil {
			return req, usage("--since %s: want a time such as 2026-05-01T00:00:00Z", f.since)
		}
		req.Since = &since
	}
	if f.imp != "" {
		id, err := fhirmsg.ParseImportID(f.imp)
		if err != nil {
			return req, usage("--import %w", err)
		}
		req.Import = &id
	}
	if req.Since != nil && req.FromSequence > 0 {
		return req, usage("give --since or --from-sequence, not both")
	}
	return req, nil
}

// beginReplay makes the request, and connects to whom it is for.
func (a *app) beginReplay(ctx context.Context, f replayFlags) (req operate.ReplayRequest, conn *connection, err error) {
	if req, err = f.request(); err != nil {
		return req, nil, err
	}
	if conn, err = a.connect(ctx, true); err != nil {
		return req, nil, err
	}
	if f.detach && conn.own != nil {
		conn.close(ctx)
		return req, nil, usage("--detach needs a running stoker up: without it the replay would stand still with this command")
	}
	return req, conn, nil
}

func (a *app) runReplay(ctx context.Context, f replayFlags) error {
	req, conn, err := a.beginReplay(ctx, f)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	r, err := conn.Replay(ctx, req)
	if err != nil {
		return err
	}
	if f.detach {
		a.printf("%s\n", r.ID)
		return nil
	}
	r, err = a.watchReplay(ctx, conn, r.ID, !f.json)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return a.leaveReplay(conn, r.ID)
	}
	return a.finishReplay(r, f.json)
}

// leaveReplay says after Ctrl-C how to look again.
func (a *app) leaveReplay(conn *connection, id fhirmsg.ImportID) error {
	if conn.own != nil {
		a.note("the replay goes on with the next stoker up; look again with: stoker replay show %s", id)
	} else {
		a.note("the writers go on with the replay; look again with: stoker replay show %s", id)
	}
	a.note("end it with: stoker replay cancel %s", id)
	return lifecycle.Exit{Code: ExitPaused}
}

// finishReplay prints the end of a replay and turns it into an exit code.
func (a *app) finishReplay(r ledger.Replay, asJSON bool) error {
	if asJSON {
		a.printJSON(r)
	} else {
		a.printReplay(r)
	}
	if r.State != ledger.ReplayComplete {
		return lifecycle.Exit{Code: ExitFailed}
	}
	return nil
}

func (a *app) replayListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the newest replays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				list, err := conn.Replays(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(list)
					return nil
				}
				return a.printReplays(list)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) replayShowCommand() *cobra.Command {
	return a.oneReplayCommand("show ID", "Show a replay with its account",
		func(ctx context.Context, conn *connection, id fhirmsg.ImportID) (ledger.Replay, error) {
			return conn.ReplayStatus(ctx, id)
		})
}

func (a *app) replayCancelCommand() *cobra.Command {
	return a.oneReplayCommand("cancel ID", "End a replay; what it wrote stays",
		func(ctx context.Context, conn *connection, id fhirmsg.ImportID) (ledger.Replay, error) {
			return conn.CancelReplay(ctx, id)
		})
}

// oneReplayCommand is a command that does something with one replay and prints it.
func (a *app) oneReplayCommand(use, short string, do func(context.Context, *connection, fhirmsg.ImportID) (ledger.Replay, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := fhirmsg.ParseImportID(args[0])
			if err != nil {
				return lifecycle.Exit{Code: ExitUsage, Err: err}
			}
			return a.withConnection(cmd.Context(), func(ctx context.Context, conn *connection) error {
				r, err := do(ctx, conn, id)
				if err != nil {
					return err
				}
				if asJSON {
					a.printJSON(r)
				} else {
					a.printReplay(r)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
