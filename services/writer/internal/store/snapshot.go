package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// absentBatch is how many deletions of a snapshot are in one batch.
const absentBatch = 2000

// DecideSnapshot decides what a snapshot deletes, once all of its import is stored: rows of its supplier that are of
// an earlier import, although the delivery would have them if they were still there. They are pinned as
// batches of deletions under the import's version, which are published and written as all others are; so what is
// written meanwhile under a later version stays, as it does in a replay. Beyond the snapshot's limit, and where it cannot be
// known what it lacks, nothing is pinned, with the reason. Where there is nothing to decide now, nothing changes.
func DecideSnapshot(ctx context.Context, pool *pgxpool.Pool, id fhirmsg.ImportID) error {
	dataset, err := ledger.New(pool).DatasetOf(ctx, id)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := ledger.ShareDataset(ctx, tx, dataset); err != nil { // invariant 7
			return err
		}
		step, err := ledger.TakeSnapshot(ctx, tx, id)
		if err != nil || step == nil {
			return err
		}
		if step.State == ledger.SnapshotPending {
			if err := decideAbsent(ctx, tx, step); err != nil {
				return err
			}
		}
		return step.Decide(ctx, tx)
	})
	if err != nil && !errors.Is(err, ledger.ErrState) && !errors.Is(err, ledger.ErrLocked) { // cancelled meanwhile; the next look decides
		return fmt.Errorf("snapshot of import %s: %w", id, err)
	}
	return nil
}

// decideAbsent counts what a snapshot lacks, and pins its deletions unless they are too many.
func decideAbsent(ctx context.Context, tx pgx.Tx, s *ledger.SnapshotStep) error {
	types, err := snapshotTypes(ctx, tx, s)
	if err != nil {
		return err
	}
	if err := joinByHash(ctx, tx); err != nil {
		return err
	}
	s.Before, s.Lacks, s.Newer, s.ByType = 0, 0, 0, map[string]int64{}
	for _, typ := range types {
		if err := countAbsent(ctx, tx, s, typ); err != nil {
			return fmt.Errorf("%s: %w", typ, err)
		}
	}
	limit, err := fhirmsg.ParseDeleteLimit(s.MaxDeletes)
	if err != nil {
		return err
	}
	if limit.Exceeded(s.Lacks, s.Before) {
		s.State = ledger.SnapshotRefused
		s.Reason = fmt.Sprintf("it lacks %d of the %d rows that its supplier had, and may delete %s. To delete them: stoker snapshot %s --max-deletes %d",
			s.Lacks, s.Before, limit, s.Import.ID, s.Lacks)
		return nil
	}
	if s.State = ledger.SnapshotApplied; s.Lacks > 0 {
		s.State = ledger.SnapshotDeleting
	}
	counted := s.Lacks
	s.Lacks = 0
	for _, typ := range types {
		if s.ByType[typ] == 0 {
			continue
		}
		if err := pinAbsent(ctx, tx, s, typ); err != nil {
			return fmt.Errorf("%s: %w", typ, err)
		}
		s.Lacks += s.ByType[typ]
	}
	if s.Lacks > counted {
		return errors.New("more is absent than when it was counted") // it is counted anew
	}
	return nil
}

// snapshotTypes are the types that the dataset has a table of and the snapshot is about.
func snapshotTypes(ctx context.Context, tx pgx.Tx, s *ledger.SnapshotStep) (types []string, err error) {
	tables, err := Tables(ctx, tx, s.Import.Dataset)
	if err != nil {
		return nil, err
	}
	for _, typ := range fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4) {
		if slices.Contains(tables, tableName(typ)) && (len(s.Types) == 0 || slices.Contains(s.Types, typ)) {
			types = append(types, typ)
		}
	}
	return types, nil
}

// joinByHash keeps the rest of the transaction from comparing each row with each key. That is what PostgreSQL would do where a
// supplier or an import is too new for its statistics, which then expect one row of it.
func joinByHash(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = off`)
	return err
}

// absent is the condition for rows t that a snapshot lacks, but for how new they are, and its parameters. A key that was
// rejected counts as delivered, under the id that its supplier knows.
func absent(s *ledger.SnapshotStep, typ string) (condition string, args []any) {
	return ` t.supplier = $1 AND t.issued < $2
			AND NOT EXISTS (SELECT FROM stoker.mentioned m WHERE m.import = $3 AND m.type = $4 AND m.id = t.id)
			AND NOT EXISTS (SELECT FROM stoker.reject r WHERE r.import = $3 AND NOT r.stored AND r.type = $4
				AND r.id = coalesce(t.original_id, t.id) COLLATE "default")`,
		[]any{s.Import.Supplier, time.UnixMicro(s.Import.Issued), [16]byte(s.Import.ID), typ, time.UnixMicro(s.Until)}
}

// countAbsent adds a type's rows to the step's figures. What the supplier had before is what it has now without what the
// import brought, so that a delivery of other rows altogether deletes none of those before.
func countAbsent(ctx context.Context, tx pgx.Tx, s *ledger.SnapshotStep, typ string) error {
	table := quoted(s.Import.Dataset, tableName(typ))
	condition, args := absent(s, typ)
	var before, lacks, newer int64
	if err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM `+table+` WHERE supplier = $1) - (
			SELECT coalesce(sum(inserted + foreign_rows), 0)::bigint FROM stoker.written WHERE import = $2 AND type = $3)`,
		s.Import.Supplier, [16]byte(s.Import.ID), typ).Scan(&before); err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	if err := tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE t.stamp < $5), count(*) FILTER (WHERE t.stamp >= $5)
		FROM `+table+` t WHERE`+condition, args...).Scan(&lacks, &newer); err != nil {
		return fmt.Errorf("count what is absent: %w", err)
	}
	s.Before += max(before, lacks)
	s.Lacks, s.Newer = s.Lacks+lacks, s.Newer+newer
	if lacks > 0 {
		s.ByType[typ] = lacks
	}
	return nil
}

// pinAbsent pins the deletions of a type. Their stamp is that of the row: in mode sync the resource that comes again as it
// was, in a later delivery, is newer by its import, and lives again.
func pinAbsent(ctx context.Context, tx pgx.Tx, s *ledger.SnapshotStep, typ string) error {
	condition, args := absent(s, typ)
	if _, err := tx.Exec(ctx, `DECLARE absent_rows NO SCROLL CURSOR FOR SELECT t.id, t.stamp, coalesce(t.original_id, '')
		FROM `+quoted(s.Import.Dataset, tableName(typ))+` t WHERE t.stamp < $5 AND`+condition, args...); err != nil {
		return fmt.Errorf("list what is absent: %w", err)
	}
	s.ByType[typ] = 0
	for {
		b, err := nextAbsent(ctx, tx, s)
		if err != nil {
			return fmt.Errorf("list what is absent: %w", err)
		}
		if b.Rows == 0 {
			break
		}
		b.Type = typ
		if err := s.Pin(ctx, tx, b); err != nil {
			return err
		}
		s.ByType[typ] += int64(b.Rows)
	}
	_, err := tx.Exec(ctx, `CLOSE absent_rows`)
	return err
}

// nextAbsent reads the next batch of deletions.
func nextAbsent(ctx context.Context, tx pgx.Tx, s *ledger.SnapshotStep) (b fhirmsg.Batch, err error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`FETCH FORWARD %d FROM absent_rows`, absentBatch))
	if err != nil {
		return b, err
	}
	var id, original string
	var stamp time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &stamp, &original}, func() error {
		record := fhirmsg.Record{ID: []byte(id), Stamp: stamp.UnixMicro(), Line: s.FirstLine() + int64(b.Rows), Deleted: true, OriginalID: []byte(original)}
		if s.Import.Mode != fhirmsg.ModeSync {
			record.Stamp = s.Import.Issued
		}
		b.Body = fhirmsg.AppendRecord(b.Body, record)
		b.Rows++
		return nil
	})
	return b, err
}

// mention keeps the keys of snapshots' resources whose rows may be another import's in the end, although the snapshot has
// them: in mode sync all, as an older import may bring what is newer at its source, and else those of incomplete
// resources, which give way to full ones.
func (g *group) mention(ctx context.Context, tx pgx.Tx, standing ledger.Standing, rows []*row) error {
	if g.elsewhere() {
		return nil
	}
	for _, imp := range g.imports {
		if !standing.Mentions(imp) {
			continue
		}
		var ids []string
		for _, r := range rows {
			if g.importOf(r).ID == imp.ID && (imp.Mode == fhirmsg.ModeSync || r.Subsetted) {
				ids = append(ids, string(r.ID))
			}
		}
		if len(ids) == 0 {
			continue
		}
		slices.Sort(ids) // so that writers with the same keys wait for each other in one order
		if err := ledger.RecordMentioned(ctx, tx, imp.ID, g.typ, slices.Compact(ids)); err != nil {
			return err
		}
	}
	return nil
}
