package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// reconcileFlags are the flags of a run that deletes what its source lacks.
type reconcileFlags struct {
	reconcile, yes bool
	maxDeletes     string
}

func (f *reconcileFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.reconcile, "reconcile", false, "ask for all, and delete what the source does not have any more, once that is confirmed")
	flags.BoolVar(&f.yes, "yes", false, "with --reconcile: it need not be confirmed")
	flags.StringVar(&f.maxDeletes, "max-deletes", "", "with --yes: delete nothing when more of the supplier's rows are not there any more: a number, a share, or off (default: the supplier's, or "+fhirmsg.DefaultMaxDeletes+")")
}

func (f reconcileFlags) check() error {
	switch {
	case !f.reconcile && (f.yes || f.maxDeletes != ""):
		return usage("--yes and --max-deletes are of --reconcile")
	case !f.yes && f.maxDeletes != "":
		return usage("--max-deletes is of --yes; without it, what is to be deleted is shown and confirmed")
	}
	if _, err := fhirmsg.ParseDeleteLimit(f.maxDeletes); err != nil {
		return usage("--max-deletes %w", err)
	}
	return nil
}

// begin begins the run that is asked for.
func (f reconcileFlags) begin(ctx context.Context, conn *connection, name string, full bool) (api.Sync, error) {
	switch {
	case !f.reconcile:
		return conn.RunSync(ctx, name, full)
	case f.yes:
		return conn.ReconcileSync(ctx, name, f.maxDeletes)
	default:
		return conn.ReconcileSync(ctx, name, fhirmsg.NoDeletes)
	}
}

// confirmRun asks who sits at a terminal whether what the source of a run lacks is to be deleted, and has it done. Elsewhere the run stays as
// it is, and says how to confirm it.
func (a *app) confirmRun(ctx context.Context, conn *connection, r ledger.SyncRun) (ledger.SyncRun, error) {
	in, ok := a.io.In.(*os.File)
	if r.Snapshot == nil || r.Snapshot.State != ledger.SnapshotRefused || r.MaxDeletes == nil || *r.MaxDeletes != fhirmsg.NoDeletes || !ok || !term.IsTerminal(int(in.Fd())) {
		return r, nil
	}
	a.printf("%s\n\ndelete these %s rows? [y/N] ", describeRun(r), thousands(r.Snapshot.Lacks))
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.ToLower(strings.TrimSpace(answer)) != "y" {
		return r, nil //nolint:nilerr // no answer is no
	}
	if err := conn.ConfirmSnapshot(ctx, *r.Import, strconv.FormatInt(r.Snapshot.Lacks, 10)); err != nil {
		return r, err
	}
	if _, err := a.watch(ctx, conn, *r.Import, false); err != nil {
		return r, err
	}
	s, err := conn.SyncProgress(ctx, r.Sync)
	if err != nil {
		return r, err
	}
	for _, now := range s.Runs {
		if now.Due.Equal(r.Due) {
			return now, nil
		}
	}
	return r, fmt.Errorf("the run of %s is not known any more", r.Sync)
}
