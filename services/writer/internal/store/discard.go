package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Discarded says what a discard did, or would do.
type Discarded struct {
	ledger.Discard
	Removed  int64 `json:"removed"`  // keys of which nothing is left
	Restored int64 `json:"restored"` // keys that have an earlier version again, live or deleted
	Edited   int64 `json:"edited"`   // of both, rows that were edited by hand; the edits are gone
}

// Discard undoes an import, or the file of it with a name or an index, as if it had never come. What it
// brought does nothing from then on: messages that come late or again count as discarded. It is one
// transaction that holds the dataset exclusively (invariant 7), and may be repeated. A rehearsal
// undoes it in the end, and tells what it would do.
//
// The keys whose row or tombstone is of the import are built again from the history, where the
// dataset kept one when the import was accepted. On all other keys something that ranks higher stands,
// and stays. Without a history, the import's rows are deleted if it can be proved that nothing
// was there before or gave way to them; otherwise the error is a [Refusal]. Other errors are
// [ledger.ErrNotFound], [ledger.ErrState], and those of the database.
func Discard(ctx context.Context, pool *pgxpool.Pool, id fhirmsg.ImportID, file string, rehearse bool) (Discarded, error) {
	return discard(ctx, pool, id, rehearse, func(tx pgx.Tx) (ledger.Discard, error) { return ledger.FindDiscard(ctx, tx, id, file) })
}

// DiscardAgain is [Discard] of what was discarded before the database was restored: an import or, by index,
// a file of it.
func DiscardAgain(ctx context.Context, pool *pgxpool.Pool, id fhirmsg.ImportID, file int32) error {
	_, err := discard(ctx, pool, id, false, func(tx pgx.Tx) (ledger.Discard, error) { return ledger.FindDiscardAgain(ctx, tx, id, file) })
	return err
}

func discard(ctx context.Context, pool *pgxpool.Pool, id fhirmsg.ImportID, rehearse bool, find func(pgx.Tx) (ledger.Discard, error)) (Discarded, error) {
	var d Discarded
	dataset, err := ledger.New(pool).DatasetOf(ctx, id)
	if err != nil {
		return d, err
	}
	err = exclusively(ctx, pool, dataset, func(tx pgx.Tx) error {
		if d.Discard, err = find(tx); err != nil {
			return err
		}
		if err := d.undo(ctx, tx); err != nil {
			return err
		}
		if err := d.Record(ctx, tx); err != nil {
			return err
		}
		if rehearse {
			return errUndo
		}
		return nil
	})
	if err != nil && !errors.Is(err, errUndo) {
		return d, fmt.Errorf("discard: %w", err)
	}
	return d, nil
}

// undo takes what is discarded out of all tables.
func (d *Discarded) undo(ctx context.Context, tx pgx.Tx) error {
	brought, err := d.Brought(ctx, tx)
	if err != nil {
		return err
	}
	if !d.Covered {
		if err := d.refuse(ctx, tx, brought); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `CREATE TEMP TABLE discarded_key (id text COLLATE "C" NOT NULL, tombstone boolean NOT NULL, edited boolean NOT NULL) ON COMMIT DROP`); err != nil {
		return fmt.Errorf("list the keys to discard: %w", err)
	}
	for _, b := range brought {
		if err := d.undoType(ctx, tx, b.Type); err != nil {
			return fmt.Errorf("%s: %w", b.Type, err)
		}
	}
	return nil
}

// undoType takes what is discarded out of a type's tables: its versions out of the history, then from each
// of its keys what stands there; what ranks highest of the versions left takes its place.
func (d *Discarded) undoType(ctx context.Context, tx pgx.Tx, typ string) error {
	live, history := quoted(d.Dataset, tableName(typ)), quoted(d.Dataset, historyTable(tableName(typ)))
	var kept, keeps bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL`, live, history).Scan(&kept, &keeps); err != nil || !kept {
		return err // someone dropped the table, and with it all there was to discard
	}
	if d.Covered && !keeps {
		return fmt.Errorf("the table %s, which has the history, is gone", history)
	}
	const mine = ` import = $1 AND ($2::int = -1 OR file = $2)`
	target := []any{[16]byte(d.Import), d.File}
	exec := func(sql string, args ...any) (int64, error) {
		tag, err := tx.Exec(ctx, sql, args...)
		return tag.RowsAffected(), err
	}
	if keeps {
		if _, err := exec(`DELETE FROM `+history+` WHERE`+mine, target...); err != nil {
			return fmt.Errorf("delete from the history: %w", err)
		}
	}
	if _, err := exec(`TRUNCATE discarded_key`); err != nil {
		return fmt.Errorf("list the keys to discard: %w", err)
	}
	// Of two keys, one live and one deleted, there are never two with one id.
	keys, err := exec(`INSERT INTO discarded_key
		SELECT id, false, hash IS NULL FROM `+live+` WHERE`+mine+`
		UNION ALL SELECT id, true, false FROM `+quoted(d.Dataset, tombstoneTable)+` WHERE`+mine+` AND type = $3`, append(target, typ)...)
	if err != nil {
		return fmt.Errorf("list the keys to discard: %w", err)
	}
	var edited int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE edited) FROM discarded_key`).Scan(&edited); err != nil {
		return fmt.Errorf("count what was edited by hand: %w", err)
	}
	if _, err := exec(`ANALYZE discarded_key`); err != nil {
		return fmt.Errorf("list the keys to discard: %w", err)
	}
	var restored int64
	if d.Covered {
		if restored, err = restore(ctx, tx, d.Dataset, typ); err != nil {
			return err
		}
	}
	// What was restored in the same table has another import or file by now.
	if _, err := exec(`DELETE FROM `+live+` t USING discarded_key k WHERE t.id = k.id AND NOT k.tombstone AND`+mine, target...); err != nil {
		return fmt.Errorf("delete rows: %w", err)
	}
	if _, err := exec(`DELETE FROM `+quoted(d.Dataset, tombstoneTable)+` t USING discarded_key k
		WHERE t.type = $3 AND t.id = k.id AND k.tombstone AND`+mine, append(target, typ)...); err != nil {
		return fmt.Errorf("delete tombstones: %w", err)
	}
	d.Restored, d.Removed, d.Edited = d.Restored+restored, d.Removed+keys-restored, d.Edited+edited
	return nil
}
