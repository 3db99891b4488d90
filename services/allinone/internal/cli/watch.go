package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/client"
)

// pollEvery is how often an import is looked at.
const pollEvery = 200 * time.Millisecond

// view shows how an import comes along.
type view interface {
	show(ledger.Status)
	close()
}

type noView struct{}

func (noView) show(ledger.Status) {}
func (noView) close()             {}

// newView is bars on a terminal and plain lines elsewhere.
func (a *app) newView() view {
	if f, ok := a.io.Err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBars(f)
	}
	return newLines(a.io.Err)
}

// watch waits until an import is at its end, or paused.
func (a *app) watch(ctx context.Context, conn *connection, id fhirmsg.ImportID, progress bool) (ledger.Status, error) {
	var v view = noView{}
	if progress {
		v = a.newView()
	}
	defer func() { v.close() }()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		status, err := conn.Progress(ctx, id)
		switch {
		case errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrBusy): // queued and not accepted yet, or it goes on unseen
		case err != nil:
			return status, err
		default:
			v.show(status)
			if status.State.Ended() || status.State == ledger.StatePaused {
				return conn.Status(ctx, id)
			}
		}
		select {
		case <-ctx.Done():
			return status, ctx.Err()
		case <-ticker.C:
		}
	}
}
