package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// snapshotObstacle says what a snapshot has to wait for, or why it cannot be known what its delivery lacks: whatever
// was not read, or not understood, may be the very resource that would be taken for absent.
func snapshotObstacle(ctx context.Context, tx pgx.Tx, s SnapshotStep) (wait, refusal string, err error) {
	if wait, err = earlierImport(ctx, tx, s); err != nil || wait != "" {
		return wait, "", err
	}
	if refusal, err = laterSnapshot(ctx, tx, s.Import); err != nil || refusal != "" {
		return "", refusal, err
	}
	if refusal, err = unreadFiles(ctx, tx, s.Import.ID); err != nil || refusal != "" {
		return "", refusal, err
	}
	return unknownKeys(ctx, tx, s.Import.ID)
}

// earlierImport names an import of the supplier that was accepted before and is not at its end: what it brings is older
// than the snapshot. One that is paused may stay so for ever.
func earlierImport(ctx context.Context, tx pgx.Tx, s SnapshotStep) (wait string, err error) {
	var ids [][16]byte
	err = tx.QueryRow(ctx, `SELECT ARRAY(SELECT id FROM stoker.import WHERE dataset = $1 AND supplier = $2 AND issued < $3
			AND ended IS NULL AND state <> 'paused' ORDER BY issued LIMIT 1)`,
		s.Import.Dataset, s.Import.Supplier, time.UnixMicro(s.Import.Issued)).Scan(&ids)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return fmt.Sprintf("import %s of the same supplier, which was accepted before, has to end first", fhirmsg.ImportID(ids[0])), nil
}

// laterSnapshot names a snapshot of the supplier that was accepted later and applied already, as happens where this one was
// paused: what that one has may be unknown by now.
func laterSnapshot(ctx context.Context, tx pgx.Tx, imp fhirmsg.Import) (refusal string, err error) {
	var ids [][16]byte
	err = tx.QueryRow(ctx, `SELECT ARRAY(SELECT id FROM stoker.import WHERE dataset = $1 AND supplier = $2 AND issued > $3
			AND snapshot->>'state' IN ('deleting', 'applied') ORDER BY issued LIMIT 1)`,
		imp.Dataset, imp.Supplier, time.UnixMicro(imp.Issued)).Scan(&ids)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return fmt.Sprintf("snapshot %s of the same supplier, which was accepted later, was applied already", fhirmsg.ImportID(ids[0])), nil
}

// unreadFiles says what of the delivery was not read, or is known not to be all.
func unreadFiles(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (refusal string, err error) {
	files, err := fileStatus(ctx, tx, id)
	if err != nil {
		return "", err
	}
	failed, differ, outcomes, all := 0, 0, int64(0), 0
	for _, f := range files {
		if f.Kind == KindAbsent {
			continue
		}
		all++
		switch {
		case f.State == "failed":
			failed++
		case f.Differs:
			differ++
		case f.Kind == KindOutcome:
			outcomes += f.Lines
		}
	}
	passed, err := skipped(ctx, tx, id)
	if err != nil {
		return "", err
	}
	var missed []SkippedFile
	for _, p := range passed {
		if p.Reason != "hidden" && p.Name != "_SUCCESS" { // what tools leave beside their output
			missed = append(missed, p)
		}
	}
	switch {
	case failed > 0:
		return fmt.Sprintf("%d of %d files failed", failed, all), nil
	case len(missed) > 0:
		return fmt.Sprintf("%d of what the delivery has were not taken, such as %s: %s", len(missed), missed[0].Name, missed[0].Reason), nil
	case differ > 0:
		return fmt.Sprintf("%d of %d files have another number of resources than their manifest says", differ, all), nil
	case outcomes > 0:
		return fmt.Sprintf("its supplier's server reports %s outcomes of its own work, so it may not be all", thousands(outcomes)), nil
	}
	return "", nil
}

// unknownKeys says what was rejected without it being known which resource it is. A reject with a known key counts as
// delivered, but a Bundle's does not tell what is in it. Rejects come by a queue of their own, and may have to be waited for.
func unknownKeys(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (wait, refusal string, err error) {
	var counted, kept, unknown, divergent, taken int64
	var seconds float64
	err = tx.QueryRow(ctx, `SELECT t.lines_rejected + t.rejected, r.kept, r.unknown, t.divergent, t.seen - t.rejected - t.ignored,
			coalesce(extract(epoch FROM clock_timestamp() - i.closed), 0)::float8
		FROM stoker.import i, stoker.totals(i.id) t, (SELECT count(*) AS kept, count(*) FILTER (WHERE type IN ('', 'Bundle') OR id = '') AS unknown
			FROM stoker.reject WHERE import = $1 AND NOT stored) r
		WHERE i.id = $1`, [16]byte(id)).Scan(&counted, &kept, &unknown, &divergent, &taken, &seconds)
	switch {
	case err != nil:
		return "", "", err
	case kept < counted && seconds < lateAfter.Seconds():
		return errRejectsUnderWay.Error(), "", nil
	case kept < counted:
		return "", fmt.Sprintf("of %s rejects only %s are in the ledger", thousands(counted), thousands(kept)), nil
	case unknown > 0:
		return "", fmt.Sprintf("%s rejected lines do not tell which resource they are", thousands(unknown)), nil
	case divergent > 0:
		return "", fmt.Sprintf("%s statements contradict earlier ones about the same data", thousands(divergent)), nil
	case taken == 0:
		return "", "it delivered no resource", nil
	}
	return "", "", nil
}

// ConfirmSnapshot lets a snapshot that was refused delete up to another limit. Its import is draining again until that is
// done. Errors: [ErrNotFound]; [ErrState] where it was not refused, was discarded, or a later snapshot was applied.
func (l *Ledger) ConfirmSnapshot(ctx context.Context, id fhirmsg.ImportID, maxDeletes string) error {
	if _, err := fhirmsg.ParseDeleteLimit(maxDeletes); err != nil || maxDeletes == "" {
		return refuse(ErrState, "max_deletes %q: must be a number such as 100, a share such as 2.5%%, or off", maxDeletes)
	}
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var state State
		var s *Snapshot
		var discarded, later bool
		err := tx.QueryRow(ctx, `SELECT i.state, i.snapshot, EXISTS (SELECT FROM stoker.discard d WHERE d.import = i.id), EXISTS (
				SELECT FROM stoker.import o WHERE o.dataset = i.dataset AND o.supplier = i.supplier AND o.issued > i.issued
					AND o.snapshot->>'state' IN ('deleting', 'applied'))
			FROM stoker.import i WHERE i.id = $1 FOR UPDATE`, [16]byte(id)).Scan(&state, &s, &discarded, &later)
		switch {
		case err != nil:
			return notFound(err)
		case s == nil:
			return refuse(ErrState, "it is no snapshot")
		case s.State != SnapshotRefused || !state.Ended():
			return refuse(ErrState, "its snapshot is %s; one that was refused can be confirmed", s.State)
		case discarded:
			return refuse(ErrState, "it was discarded")
		case later:
			return refuse(ErrState, "a later snapshot of the same supplier was applied")
		}
		s.State, s.Reason, s.MaxDeletes = SnapshotPending, "", maxDeletes
		_, err = tx.Exec(ctx, `UPDATE stoker.import SET snapshot = $2, state = 'draining', ended = NULL WHERE id = $1`, [16]byte(id), s)
		return err
	})
	if err != nil {
		return fmt.Errorf("snapshot of import %s: %w", id, err)
	}
	return nil
}
