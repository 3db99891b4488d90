package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// tableName is a resource type's table within its dataset's schema.
func tableName(resourceType string) string { return strings.ToLower(resourceType) }

// quoted is a table's name for SQL.
func quoted(dataset, table string) string { return pgx.Identifier{dataset, table}.Sanitize() }

const tombstoneTable = "tombstone"

// ensure creates a dataset's schema and a type's table on first sight. Several writers may
// do so at the same time; one does and the others wait.
func (s *Store) ensure(ctx context.Context, dataset, table string) error {
	key := quoted(dataset, table)
	s.mu.Lock()
	known := s.known[key]
	s.mu.Unlock()
	if known {
		return nil
	}
	older := false
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// Invariant 7: who drops or swaps the dataset is not met half-way.
		if err := ledger.ShareDataset(ctx, tx, dataset); err != nil {
			return err
		}
		// Making the trigger again would wait for every writer at work on the table, and
		// those after for it.
		var complete bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = 'forget_hash')
				AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'original_id')
				AND to_regclass($2) IS NOT NULL, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = 'forget_hash' AND tgtype & 2 <> 0)`,
			key, quoted(dataset, tombstoneTable)).Scan(&complete, &older); err != nil {
			return err
		}
		var history bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.history WHERE dataset = $1) AND to_regclass($2) IS NULL`,
			dataset, quoted(dataset, historyTable(table))).Scan(&history); err != nil || complete && !history {
			return err
		}
		gone, err := dropped(ctx, tx, dataset)
		switch {
		case err != nil:
			return err
		case gone:
			return errNothingToDo
		}
		if !complete {
			return makeTable(ctx, tx, dataset, table)
		}
		return makeHistory(ctx, tx, dataset, table)
	})
	if err == nil && older {
		err = s.renewTrigger(ctx, dataset, table)
	}
	if err != nil {
		return fmt.Errorf("create table %s: %w", key, err)
	}
	s.mu.Lock()
	s.known[key] = true
	s.mu.Unlock()
	return nil
}

// renewTrigger makes the trigger of a table that an older version made AFTER the update, as those of now. That one serves as well, and costs
// more; so where somebody is at work on the table, or has the dataset, for long, it stays until the next start of a writer.
func (s *Store) renewTrigger(ctx context.Context, dataset, table string) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'`); err != nil {
			return err
		}
		if err := ledger.ShareDataset(ctx, tx, dataset); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, triggerDDL(dataset, table))
		return err
	})
	if pg := (*pgconn.PgError)(nil); errors.Is(err, ledger.ErrLocked) || errors.As(err, &pg) && (pg.Code == codeNoLock || pg.Code == codeDeadlock) {
		return nil
	}
	return err
}

// makeTable makes a table, its dataset and the dataset's tombstones, and its history where the
// dataset keeps one.
func makeTable(ctx context.Context, tx pgx.Tx, dataset, table string) error {
	if err := lockSchema(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, ddl(dataset, table)); err != nil {
		return err
	}
	if err := addOriginalID(ctx, tx, dataset, table, tombstoneTable, historyTable(table)); err != nil {
		return err
	}
	if keeps, err := ledger.KeepsHistory(ctx, tx, dataset); err != nil || !keeps {
		return err
	}
	return makeHistory(ctx, tx, dataset, table)
}

func makeHistory(ctx context.Context, tx pgx.Tx, dataset, table string) error {
	if err := lockSchema(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, ddlHistory(dataset, table))
	return err
}

// lockSchema has makers of tables take turns: IF NOT EXISTS is not safe against others.
func lockSchema(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('stoker:schema', 0))`)
	return err
}

// errNothingToDo is of batches that have no effect any more: their dataset was dropped, or their
// replay ended.
var errNothingToDo = errors.New("nothing to do")

// dropped tells a dataset that was dropped, which the ledger still has imports of or replays
// into, from one that is not there yet. Only what was accounted for long ago can still come for
// it, delivered again. What comes when there is one of that name again, the ledger tells apart ([ledger.EnsureImport]).
func dropped(ctx context.Context, tx pgx.Tx, dataset string) (gone bool, err error) {
	err = tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM stoker.dataset WHERE name = $1)
		AND (EXISTS (SELECT FROM stoker.import WHERE dataset = $1) OR EXISTS (SELECT FROM stoker.replay WHERE target = $1))`, dataset).Scan(&gone)
	return gone, err
}

// forget makes the next write look for its table again, after someone dropped it.
func (s *Store) forget(dataset, table string) {
	s.mu.Lock()
	delete(s.known, quoted(dataset, table))
	s.mu.Unlock()
}

// versionColumns are a version and where a row came from. Rows inserted by hand, as
// (id, resource), count as oldest.
const versionColumns = `
	stamp     timestamptz NOT NULL DEFAULT '-infinity',
	issued    timestamptz NOT NULL DEFAULT '-infinity',
	file      integer NOT NULL DEFAULT 0,
	line      bigint NOT NULL DEFAULT 0,
	entry     integer NOT NULL DEFAULT 0,
	supplier  text COLLATE "C",
	import    uuid,
	original_id text COLLATE "C",
	written   timestamptz NOT NULL DEFAULT now(),
	changed   xid8 NOT NULL DEFAULT pg_current_xact_id()`

// addOriginalID adds the column to those of a dataset's tables that an older version made. The others it does not touch: even
// where nothing is to be done, ALTER TABLE waits for all writers at work on a table, and those after wait for it.
func addOriginalID(ctx context.Context, tx pgx.Tx, dataset string, tables ...string) error {
	rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = ANY($2)
			AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'original_id')`, dataset, tables)
	if err != nil {
		return err
	}
	lacking, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, table := range lacking {
		if _, err := tx.Exec(ctx, `ALTER TABLE `+quoted(dataset, table)+` ADD COLUMN IF NOT EXISTS original_id text COLLATE "C"`); err != nil {
			return err
		}
	}
	return nil
}

// ddl is what makes a table, its dataset and the dataset's tombstones. The fill factor leaves room in
// a page for later versions of its rows (ADR 0010).
func ddl(dataset, table string) string {
	name := quoted(dataset, table)
	return `CREATE SCHEMA IF NOT EXISTS ` + pgx.Identifier{dataset}.Sanitize() + `;
CREATE TABLE IF NOT EXISTS ` + quoted(dataset, tombstoneTable) + ` (
	type text COLLATE "C" NOT NULL,
	id   text COLLATE "C" NOT NULL,` + versionColumns + `,
	PRIMARY KEY (type, id)
);
CREATE TABLE IF NOT EXISTS ` + name + ` (
	id        text COLLATE "C" PRIMARY KEY,
	resource  jsonb COMPRESSION lz4 NOT NULL,` + versionColumns + `,
	subsetted boolean NOT NULL DEFAULT false,
	hash      uuid
) WITH (fillfactor = 80);
` + triggerDDL(dataset, table)
}

// triggerDDL makes the trigger that has rows forget their hash which others than writers edit.
func triggerDDL(dataset, table string) string {
	return `CREATE OR REPLACE TRIGGER forget_hash AFTER UPDATE OF resource ON ` + quoted(dataset, table) + ` FOR EACH ROW
	WHEN (current_setting('stoker.writer', true) IS DISTINCT FROM 'on')
	EXECUTE FUNCTION stoker.forget_hash();`
}
