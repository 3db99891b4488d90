package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// RestoreFileList adds files that the ledger lacks of an import's list. The import itself may come later.
func (l *Ledger) RestoreFileList(ctx context.Context, list fhirmsg.FileList) error {
	batch := &pgx.Batch{}
	for _, f := range list.Files {
		batch.Queue(insertFile,
			[16]byte(list.Import), f.File, f.Name, f.Type, f.Locator, f.Size, f.State, f.Reason, f.Kind, f.Count, f.AsOf, f.Subsetted)
	}
	for _, s := range list.Skipped {
		batch.Queue(insertSkipped, [16]byte(list.Import), s.Name, s.Reason)
	}
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("restore files of import %s: %w", list.Import, err)
	}
	return nil
}

// RestoreFile brings a file up to date, and states its chunks.
func (l *Ledger) RestoreFile(ctx context.Context, s fhirmsg.FileStatement) error {
	batch := &pgx.Batch{}
	for _, c := range s.Chunks {
		batch.Queue(`INSERT INTO stoker.fetched (import, file, off, length, lines) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (import, file, off) DO NOTHING`,
			[16]byte(s.Import), s.File, c.Offset, c.Length, c.Lines)
	}
	batch.Queue(`UPDATE stoker.file SET state = $3, reason = $4, reading = coalesce(reading, $5),
			size = CASE WHEN $6::bigint >= 0 THEN $6 ELSE size END,
			read = CASE WHEN $3 = 'closed' AND greatest(size, $6) >= 0 THEN CASE WHEN $6 >= 0 THEN $6 ELSE size END ELSE greatest(read, $7) END
		WHERE import = $1 AND file = $2 AND state IN ('waiting', 'open')`,
		[16]byte(s.Import), s.File, s.State, s.Reason, s.Reading, s.Size, s.Read)
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("restore file %d of import %s: %w", s.File, s.Import, err)
	}
	return nil
}

// RestoreWritten keeps what was stated of batches, where the ledger lacks it, for the replay that
// writes them again.
func (l *Ledger) RestoreWritten(ctx context.Context, dataset string, w fhirmsg.Written) error {
	batch := &pgx.Batch{}
	outcomes := w.Outcomes
	for _, b := range w.Batches {
		batch.Queue(`INSERT INTO stoker.restored (import, file, off, type, part, fingerprint, dataset, sequence, conflicts, outcomes, foreign_rows)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
			WHERE NOT EXISTS (SELECT FROM stoker.written w WHERE (w.import, w.file, w.off, w.type, w.part) = ($1, $2, $3, $4, $5)
				AND (w.fingerprint = $6 OR w.divergent)) ON CONFLICT DO NOTHING`,
			[16]byte(b.Import), b.File, b.Offset, b.Type, b.Part, [16]byte(b.Fingerprint), dataset, int64(b.Sequence), b.Conflicts, outcomes[:b.Rows], b.Foreign)
		outcomes = outcomes[b.Rows:]
	}
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("restore statements of batches: %w", err)
	}
	return nil
}

// stateDropped says again what was stated of batches before the database was restored, of imports whose dataset was dropped later:
// no replay reads these.
func stateDropped(ctx context.Context, tx pgx.Tx, dataset string, at time.Time) error {
	count := func(outcomes ...Outcome) string {
		return fmt.Sprintf(`char_length(o) - char_length(translate(o, '%s', ''))`, string(outcomes))
	}
	_, err := tx.Exec(ctx, `WITH r AS (DELETE FROM stoker.restored r USING stoker.import i
			WHERE i.id = r.import AND i.dataset = r.dataset AND r.dataset = $1 AND i.issued <= $2 RETURNING r.*)
		INSERT INTO stoker.written (import, file, off, type, part, fingerprint, inserted, updated, unchanged,
			stale, deleted, skipped, rejected, discarded, cancelled, conflicts, outcomes, foreign_rows)
		SELECT import, file, off, type, part, fingerprint, `+strings.Join([]string{
		count(Inserted, Revived), count(Updated), count(Unchanged), count(Stale), count(Deleted), count(Skipped), count(Rejected), count(Discarded), count(Cancelled),
	}, ", ")+`, conflicts, outcomes, foreign_rows
		FROM r, encode(outcomes, 'escape') AS o ON CONFLICT DO NOTHING`, dataset, at)
	if err != nil {
		return fmt.Errorf("state what was dropped: %w", err)
	}
	return nil
}

// RestoreImport brings the state of an import up to date: its row is made where it was lost, and
// changed where the statement is newer. One that was fetched to its end meanwhile stays so. It
// raises the clock of all imports. restored tells whether anything changed.
func (l *Ledger) RestoreImport(ctx context.Context, s fhirmsg.ImportStatement) (restored bool, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		restored, err = restoreImport(ctx, tx, s)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("restore import %s: %w", s.Import.ID, err)
	}
	return restored, nil
}

func restoreImport(ctx context.Context, tx pgx.Tx, s fhirmsg.ImportStatement) (restored bool, err error) {
	imp := s.Import
	pins, err := json.Marshal(imp)
	if err != nil {
		return false, err
	}
	snapshot, err := restoredSnapshot(s.Snapshot, false)
	if err != nil {
		return false, err
	}
	if err := restoreAround(ctx, tx, imp); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO stoker.import AS i (id, issued, supplier, dataset, pins, retry, change, published,
			request, attempt, state, reason, listed, closed, limited, ended, policy, snapshot, mends, transaction_time)
		SELECT $1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11,
			CASE WHEN (SELECT count(*) FROM stoker.file WHERE import = $1) >= $12::int THEN $13::timestamptz END, $14, $15, $16, $17, $18, $19, $20
		ON CONFLICT (id) DO UPDATE SET issued = excluded.issued, pins = excluded.pins, change = excluded.change, published = excluded.published,
			request = excluded.request, attempt = excluded.attempt, state = excluded.state, reason = excluded.reason,
			listed = coalesce(i.listed, excluded.listed), closed = excluded.closed, limited = excluded.limited, ended = excluded.ended,
			policy = coalesce(i.policy, excluded.policy), snapshot = coalesce(excluded.snapshot, i.snapshot), mends = excluded.mends,
			transaction_time = coalesce(i.transaction_time, excluded.transaction_time)
		WHERE i.change < excluded.change AND NOT (i.closed IS NOT NULL AND excluded.closed IS NULL AND excluded.state <> 'cancelled')`,
		[16]byte(imp.ID), time.UnixMicro(imp.AcceptedAt()), imp.Supplier, imp.Dataset, pins, idColumn(imp.Retry), s.Change,
		s.Request, s.Attempt, s.State, s.Reason, s.Files, s.Listed, s.Closed, s.Limited, s.Ended, s.Policy, snapshot, idColumn(imp.Mends), s.TransactionTime)
	if err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, insertNotes, [16]byte(imp.ID), s.Notes)
	return tag.RowsAffected() == 1, err
}

// restoreAround makes the dataset of an import, unless that was dropped later, and raises the clock
// of all imports, so that none is issued before it.
func restoreAround(ctx context.Context, tx pgx.Tx, imp fhirmsg.Import) error {
	accepted := time.UnixMicro(imp.AcceptedAt())
	if _, err := tx.Exec(ctx, `INSERT INTO stoker.dataset (name, mode, fhir_version) SELECT $1, $2, $3
		WHERE NOT EXISTS (SELECT FROM stoker.dropped WHERE dataset = $1 AND at >= $4)
		ON CONFLICT (name) DO NOTHING`, imp.Dataset, string(imp.Mode), imp.FHIRVersion, accepted); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE stoker.clock SET last = $1 WHERE last < $1`, accepted)
	return err
}

// AcceptAgain makes the row of an import that was accepted, where the database was restored to a time
// before: under its version, cancelled or paused if it was, and else as if it had just been accepted.
// Being newer than the statement, that is not undone by a restore that comes later; the rest comes
// with it, or by fetching again. A row that is up to date stays as it is.
func (l *Ledger) AcceptAgain(ctx context.Context, s fhirmsg.ImportStatement) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var known bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.import WHERE id = $1 AND change >= $2)`, [16]byte(s.Import.ID), s.Change).Scan(&known)
		if err != nil || known {
			return err
		}
		again := fhirmsg.ImportStatement{
			Import: s.Import, Change: s.Change + 1, Request: s.Request, Policy: s.Policy, Attempt: s.Attempt, State: string(StateAccepted), Limited: s.Limited,
		}
		if state := State(s.State); state == StateCancelled || state == StatePaused {
			again.State, again.Reason, again.Ended = s.State, s.Reason, s.Ended
		}
		if again.Snapshot, err = restoredSnapshot(s.Snapshot, true); err != nil {
			return err
		}
		_, err = restoreImport(ctx, tx, again)
		return err
	})
	if err != nil {
		return fmt.Errorf("accept import %s again: %w", s.Import.ID, err)
	}
	return nil
}

// restore makes the row of an import from what its messages carry. Its files are not
// known any more, so it stays in state fetching until its statement is found, or a request names them again.
func restore(ctx context.Context, tx pgx.Tx, imp fhirmsg.Import) error {
	_, err := restoreImport(ctx, tx, fhirmsg.ImportStatement{
		Import: imp, Request: json.RawMessage(`{}`), State: string(StateFetching), Reason: "row made again from messages",
	})
	return err
}

// IsDiscarded reports whether an import is discarded, or its file, unless that is [AllFiles].
func (l *Ledger) IsDiscarded(ctx context.Context, id fhirmsg.ImportID, file int32) (is bool, err error) {
	err = l.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.discard WHERE import = $1 AND file = $2)`, [16]byte(id), file).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("discards of import %s: %w", id, err)
	}
	return is, nil
}

// RestoreFrom returns for each type of a dataset that has statements of batches to be written again
// the least sequence of those.
func (l *Ledger) RestoreFrom(ctx context.Context, dataset string) (map[string]uint64, error) {
	rows, err := l.pool.Query(ctx, `SELECT type, min(sequence) FROM stoker.restored WHERE dataset = $1 GROUP BY type`, dataset)
	if err != nil {
		return nil, fmt.Errorf("what dataset %s lacks: %w", dataset, err)
	}
	from := map[string]uint64{}
	var resourceType string
	var sequence int64
	if _, err := pgx.ForEachRow(rows, []any{&resourceType, &sequence}, func() error {
		from[resourceType] = uint64(sequence)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("what dataset %s lacks: %w", dataset, err)
	}
	return from, nil
}

// DatasetNames returns the datasets that the ledger knows.
func (l *Ledger) DatasetNames(ctx context.Context) ([]string, error) {
	rows, err := l.pool.Query(ctx, `SELECT name FROM stoker.dataset ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list datasets: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list datasets: %w", err)
	}
	return names, nil
}
