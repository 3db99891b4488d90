package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Replayed states what became of one message of a replay.
type Replayed struct {
	Sequence  uint64 // in the stream
	Type      string
	Unstated  bool // the dataset's account does not have it, and so it was not written into another
	Resources int64
	Counts    Counts
}

// RecordReplayed states messages of a replay within the transaction that stores them. A message
// that comes again says nothing new (invariant 2).
func RecordReplayed(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID, replayed []Replayed) error {
	batch := &pgx.Batch{}
	for _, r := range replayed {
		c := r.Counts
		batch.Queue(`INSERT INTO stoker.replayed (replay, sequence, type, unstated, resources, inserted, updated, unchanged,
				stale, deleted, skipped, rejected, discarded, cancelled)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (replay, sequence) DO NOTHING`,
			[16]byte(id), int64(r.Sequence), r.Type, r.Unstated, r.Resources, c.Inserted, c.Updated, c.Unchanged,
			c.Stale, c.Deleted, c.Skipped, c.Rejected, c.Discarded, c.Cancelled)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("state replayed messages: %w", err)
	}
	return nil
}

// PassReplayed states messages that a replay has nothing to do with: those of other imports.
func (l *Ledger) PassReplayed(ctx context.Context, id fhirmsg.ImportID, messages []Replayed) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error { return RecordReplayed(ctx, tx, id, messages) })
}

// ReplayRuns reports, within a writer's transaction, whether a replay is still to be worked on.
// The dataset's lock is held: who drops or swaps it waits, and ended the replay before.
func ReplayRuns(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (bool, error) {
	var runs bool
	err := tx.QueryRow(ctx, `SELECT state = 'running' FROM stoker.replay WHERE id = $1`, [16]byte(id)).Scan(&runs)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // its row may be gone with a restore
		return false, fmt.Errorf("state of replay %s: %w", id, err)
	}
	return runs, nil
}

// Stated is what the ledger says of a batch that was written: an [Outcome] for each of its
// resources, in the batch's order. They are nil if another batch was stated in its place.
type Stated struct {
	Outcomes  []byte
	Restored  bool // it was said before the database was restored, and is to be said again
	Conflicts int64
	Foreign   int64
}

// StatedOf returns for each batch what is stated of it, or nil.
func StatedOf(ctx context.Context, tx pgx.Tx, batches []fhirmsg.BatchHeader) ([]*Stated, error) {
	rows, err := tx.Query(ctx, `SELECT b.n, CASE WHEN w.import IS NULL THEN r.outcomes WHEN w.fingerprint = b.fingerprint THEN w.outcomes END,
			w.import IS NULL, coalesce(w.conflicts, r.conflicts), coalesce(w.foreign_rows, r.foreign_rows)
		FROM `+batchKeys+`
			LEFT JOIN stoker.written w ON (w.import, w.file, w.off, w.type, w.part) = (b.import, b.file, b.off, b.type, b.part)
			LEFT JOIN stoker.restored r ON (r.import, r.file, r.off, r.type, r.part, r.fingerprint) = (b.import, b.file, b.off, b.type, b.part, b.fingerprint)
		WHERE w.import IS NOT NULL OR r.import IS NOT NULL`, batchArgs(batches)...)
	if err != nil {
		return nil, fmt.Errorf("read statements: %w", err)
	}
	stated := make([]*Stated, len(batches))
	var i int64
	var s Stated
	if _, err := pgx.ForEachRow(rows, []any{&i, &s.Outcomes, &s.Restored, &s.Conflicts, &s.Foreign}, func() error {
		read := s
		stated[i-1], s = &read, Stated{}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read statements: %w", err)
	}
	return stated, nil
}

// ForgetRestored removes what was kept for batches that are stated by now.
func ForgetRestored(ctx context.Context, tx pgx.Tx, batches []fhirmsg.BatchHeader) error {
	_, err := tx.Exec(ctx, `DELETE FROM stoker.restored r USING `+batchKeys+`
		WHERE (r.import, r.file, r.off, r.type, r.part, r.fingerprint) = (b.import, b.file, b.off, b.type, b.part, b.fingerprint)`, batchArgs(batches)...)
	if err != nil {
		return fmt.Errorf("forget restored statements: %w", err)
	}
	return nil
}

// batchKeys are the keys of batches in SQL, numbered from 1, and batchArgs its arguments.
const batchKeys = `unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::int[], $6::uuid[])
	WITH ORDINALITY AS b(import, file, off, type, part, fingerprint, n)`

func batchArgs(batches []fhirmsg.BatchHeader) []any {
	n := len(batches)
	imports, files, offsets := make([][16]byte, n), make([]int32, n), make([]int64, n)
	types, parts, prints := make([]string, n), make([]int32, n), make([][16]byte, n)
	for i, b := range batches {
		imports[i], files[i], offsets[i] = b.Import.ID, b.File, b.Offset
		types[i], parts[i], prints[i] = b.Type, int32(b.Part), b.Fingerprint
	}
	return []any{imports, files, offsets, types, parts, prints}
}
