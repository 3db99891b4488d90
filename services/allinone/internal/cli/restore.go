package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// restores reports whether a replay is to bring back all that was lost with the database: it says
// since when, and nothing of what.
func (f *replayFlags) restores(cmd *cobra.Command) bool {
	for _, flag := range []string{"dataset", "into", "type", "import", "from-sequence", "force"} {
		if cmd.Flags().Changed(flag) {
			return false
		}
	}
	return f.since != ""
}

// runRestore brings back what a restored database lacks, and waits for the rows.
func (a *app) runRestore(ctx context.Context, f replayFlags) error {
	req, conn, err := a.beginReplay(ctx, f)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	restored, err := conn.Restore(ctx, operate.RestoreRequest{Since: *req.Since, Available: req.Available})
	if err != nil {
		return err
	}
	if f.detach {
		for _, r := range restored.Replays {
			a.printf("%s\n", r.ID)
		}
		return nil
	}
	if !f.json {
		a.printf("accounts: %s imports brought up to date, %s discarded again\n", thousands(int64(restored.Imports)), thousands(int64(restored.Discarded)))
		if restored.Foreign > 0 {
			a.printf("passed over: %s messages of the stream JOURNAL that are none of Stoker's\n", thousands(int64(restored.Foreign)))
		}
	}
	failed := false
	for i, r := range restored.Replays {
		r, err := a.watchReplay(ctx, conn, r.ID, !f.json)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			return a.leaveReplay(conn, r.ID)
		}
		failed = failed || r.State != ledger.ReplayComplete
		restored.Replays[i] = r
		if !f.json {
			a.printf("\n")
			a.printReplay(r)
		}
	}
	if f.json {
		a.printJSON(restored)
	}
	if failed {
		return lifecycle.Exit{Code: ExitFailed, Err: errors.New("not everything is back; the reason is with the replay")}
	}
	return nil
}
