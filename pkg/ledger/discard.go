package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Discard is an import that is to be discarded, or one of its files.
type Discard struct {
	Import  fhirmsg.ImportID   `json:"import"`
	Dataset string             `json:"dataset"`
	File    int32              `json:"file"`           // or AllFiles
	Name    string             `json:"name,omitempty"` // of the file
	Covered bool               `json:"history"`        // the dataset's history began before the import was accepted
	Retries []fhirmsg.ImportID `json:"retries,omitempty"`

	accepted time.Time
}

// DatasetOf returns the dataset of an import. Errors: [ErrNotFound].
func (l *Ledger) DatasetOf(ctx context.Context, id fhirmsg.ImportID) (dataset string, err error) {
	err = l.pool.QueryRow(ctx, `SELECT dataset FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&dataset)
	if err != nil {
		return "", fmt.Errorf("import %s: %w", id, notFound(err))
	}
	return dataset, nil
}

// FindDiscard reads what is to be discarded: all of an import where file is "", else the file of
// that name or index. The caller holds the dataset's lock exclusively. Errors: [ErrNotFound],
// [ErrState] for an import that has not ended or has no such file.
func FindDiscard(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID, file string) (Discard, error) {
	d := Discard{Import: id, File: AllFiles}
	var state State
	var retries [][16]byte
	err := tx.QueryRow(ctx, `SELECT i.dataset, i.state, i.issued, coalesce(i.issued > h.since, false),
			ARRAY(SELECT r.id FROM stoker.import r WHERE r.retry = i.id ORDER BY r.issued)
		FROM stoker.import i LEFT JOIN stoker.history h ON h.dataset = i.dataset WHERE i.id = $1`, [16]byte(id)).
		Scan(&d.Dataset, &state, &d.accepted, &d.Covered, &retries)
	if err != nil {
		return d, fmt.Errorf("import %s: %w", id, notFound(err))
	}
	if !state.Ended() {
		return d, refuse(ErrState, "import %s is %s; wait until it has ended, or end it with: stoker cancel %s", id, state, id)
	}
	for _, r := range retries {
		d.Retries = append(d.Retries, r)
	}
	if file == "" {
		return d, nil
	}
	return d, d.findFile(ctx, tx, file)
}

// FindDiscardAgain is FindDiscard of what is known to have been discarded before the database was restored, by its index.
func FindDiscardAgain(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID, file int32) (Discard, error) {
	d, err := FindDiscard(ctx, tx, id, "")
	if err != nil || file == AllFiles {
		return d, err
	}
	d.File = file
	err = tx.QueryRow(ctx, `SELECT name FROM stoker.file WHERE import = $1 AND file = $2`, [16]byte(id), file).Scan(&d.Name)
	if err != nil {
		return d, fmt.Errorf("file %d of import %s: %w", file, id, notFound(err))
	}
	return d, nil
}

// findFile takes a name before an index, since a file may be called 7.
func (d *Discard) findFile(ctx context.Context, tx pgx.Tx, file string) error {
	index, err := strconv.ParseInt(file, 10, 32)
	if err != nil {
		index = -1
	}
	rows, err := tx.Query(ctx, `SELECT file, name FROM stoker.file WHERE import = $1 AND (name = $2 OR file = $3) ORDER BY name <> $2`,
		[16]byte(d.Import), file, int32(index))
	if err != nil {
		return fmt.Errorf("files of import %s: %w", d.Import, err)
	}
	type found struct {
		Index int32
		Name  string
	}
	files, err := pgx.CollectRows(rows, pgx.RowToStructByPos[found])
	switch {
	case err != nil:
		return fmt.Errorf("files of import %s: %w", d.Import, err)
	case len(files) == 0:
		return refuse(ErrState, "import %s has no file of this name or index; see: stoker status %s", d.Import, d.Import)
	case len(files) > 1 && files[1].Name == file:
		return refuse(ErrState, "import %s has several files of this name; give the index (of the first: %d)", d.Import, files[0].Index)
	}
	d.File, d.Name = files[0].Index, files[0].Name
	return nil
}

// Brought is what the ledger says of the resources of one type that are to be discarded.
type Brought struct {
	Type    string
	Counts  Counts
	Revived int64 // of the inserted: in place of a deletion
}

// Brought returns that for each type, in the order of types.
func (d Discard) Brought(ctx context.Context, tx pgx.Tx) ([]Brought, error) {
	rows, err := tx.Query(ctx, `SELECT type, sum(inserted)::bigint, sum(updated)::bigint, sum(unchanged)::bigint, sum(stale)::bigint,
			sum(deleted)::bigint, sum(skipped)::bigint, sum(length(outcomes) - length(replace(encode(outcomes, 'escape'), 'v', '')))::bigint
		FROM stoker.written WHERE import = $1 AND ($2 = -1 OR file = $2) GROUP BY type ORDER BY type`, [16]byte(d.Import), d.File)
	if err != nil {
		return nil, fmt.Errorf("statements of import %s: %w", d.Import, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Brought, error) {
		var b Brought
		c := &b.Counts
		err := row.Scan(&b.Type, &c.Inserted, &c.Updated, &c.Unchanged, &c.Stale, &c.Deleted, &c.Skipped, &b.Revived)
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("statements of import %s: %w", d.Import, err)
	}
	return list, nil
}

// GaveWay is how many resources, of the same types, of other files and imports of the dataset may have
// given way to what is to be discarded: they came when it was there and were stale or skipped, or
// the same as what another retry of the same rejects had brought.
func (d Discard) GaveWay(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(w.stale + w.skipped + CASE WHEN i.id <> x.id AND i.retry = x.retry THEN w.unchanged ELSE 0 END), 0)::bigint
		FROM stoker.import x
		JOIN stoker.import i ON i.dataset = x.dataset AND (i.ended IS NULL OR i.ended > x.issued)
		JOIN stoker.written w ON w.import = i.id
		WHERE x.id = $1 AND (i.id <> x.id OR ($2 <> -1 AND w.file <> $2))
			AND w.type IN (SELECT type FROM stoker.written WHERE import = $1 AND ($2 = -1 OR file = $2))`,
		[16]byte(d.Import), d.File).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("statements of dataset %s: %w", d.Dataset, err)
	}
	return n, nil
}

// Record adds d to what is discarded, and makes the statements about it say so. It is the one place
// where statements are changed: both equations of the account still hold, and a message that comes
// again finds its statement there. It may be repeated.
func (d Discard) Record(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `INSERT INTO stoker.discard (import, file) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [16]byte(d.Import), d.File)
	if err != nil {
		return fmt.Errorf("record the discard of import %s: %w", d.Import, err)
	}
	if tag.RowsAffected() == 1 {
		what := "discarded"
		if d.File != AllFiles {
			what = "file " + d.Name + " discarded"
		}
		if _, err := tx.Exec(ctx, `UPDATE stoker.import SET change = change + 1, reason =
			CASE WHEN $2 = ANY(string_to_array(reason, '. ')) THEN reason ELSE concat_ws('. ', nullif(reason, ''), $2::text) END WHERE id = $1`, [16]byte(d.Import), what); err != nil {
			return fmt.Errorf("record the discard of import %s: %w", d.Import, err)
		}
	}
	if _, err := tx.Exec(ctx, `DELETE FROM stoker.resolved WHERE by = $1 AND ($2 = -1 OR by_file = $2)`, [16]byte(d.Import), d.File); err != nil {
		return fmt.Errorf("record the discard of import %s: %w", d.Import, err)
	}
	_, err = tx.Exec(ctx, `UPDATE stoker.written
		SET discarded = discarded + inserted + updated + unchanged + stale + deleted + skipped,
			inserted = 0, updated = 0, unchanged = 0, stale = 0, deleted = 0, skipped = 0, conflicts = 0,
			outcomes = decode(translate(encode(outcomes, 'escape'), 'ivu=sdk', 'xxxxxxx'), 'escape')
		WHERE import = $1 AND ($2 = -1 OR file = $2)`, [16]byte(d.Import), d.File)
	if err != nil {
		return fmt.Errorf("state the discard of import %s: %w", d.Import, err)
	}
	return nil
}
