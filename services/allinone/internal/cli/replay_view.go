package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// watchReplay waits until a replay is at its end.
func (a *app) watchReplay(ctx context.Context, conn *connection, id fhirmsg.ImportID, progress bool) (ledger.Replay, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	started, shown := time.Now(), time.Now()
	for {
		r, err := conn.ReplayStatus(ctx, id)
		r.ID = id // also where the answer did not come
		if err != nil || r.State.Ended() {
			return r, err
		}
		if progress && time.Since(shown) >= lineEvery {
			shown = time.Now()
			sum := r.Sum()
			a.note("%s: %s of %s messages, %s resources, %s/s", r.State, thousands(sum.Done), thousands(sum.Messages),
				thousands(sum.Resources), thousands(int64(float64(sum.Resources)/time.Since(started).Seconds())))
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-ticker.C:
		}
	}
}

// printReplay prints a replay's account.
func (a *app) printReplay(r ledger.Replay) {
	a.printf("replay %s  %s after %.1f s\n", r.ID, r.State, r.Seconds)
	if r.Reason != "" {
		a.printf("reason: %s\n", r.Reason)
	}
	a.printf("dataset %s", r.Dataset)
	if r.Into != r.Dataset {
		a.printf(" into %s", r.Into)
	}
	a.printf(", messages %d to %d of the stream", r.First, r.Last)
	if r.Import != nil {
		a.printf(", of import %s", r.Import)
	}
	if r.Force {
		a.printf(", forced")
	}
	a.printf("\n\n")
	if len(r.Types) == 0 {
		a.printf("the stream has nothing of that to replay\n")
		return
	}
	t := a.table()
	row(t, "TYPE", "MESSAGES", "OF", "RESOURCES", "PRESENT", "INSERTED", "UPDATED", "UNCHANGED", "STALE", "DELETED", "SKIPPED", "REJECTED", "OTHER")
	for _, part := range r.Types {
		replayRow(t, part.Type, part)
	}
	replayRow(t, "all", r.Sum())
	_ = t.Flush()
	a.printf("\npresent: there under the same version; stale: a newer version is there. Neither changes anything\n")
}

func replayRow(w io.Writer, name string, t ledger.ReplayType) {
	row(w, name, thousands(t.Done), thousands(t.Messages), thousands(t.Resources), thousands(t.Present), thousands(t.Inserted),
		thousands(t.Updated), thousands(t.Unchanged), thousands(t.Stale), thousands(t.Deleted), thousands(t.Skipped),
		thousands(t.Rejected), thousands(t.Discarded+t.Cancelled))
}

func (a *app) printReplays(list []ledger.Replay) error {
	if len(list) == 0 {
		a.printf("no replays yet; see: stoker replay --help\n")
		return nil
	}
	t := a.table()
	row(t, "REPLAY", "CREATED", "DATASET", "INTO", "STATE", "MESSAGES", "RESOURCES", "")
	for _, r := range list {
		sum := r.Sum()
		row(t, r.ID.String(), r.Created.Local().Format("2006-01-02 15:04:05"), r.Dataset, r.Into, string(r.State),
			fmt.Sprintf("%s of %s", thousands(sum.Done), thousands(sum.Messages)), thousands(sum.Resources), r.Reason)
	}
	return t.Flush()
}
