package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Page is a part of a file that is asked for as it is read: of a pull.
type Page struct {
	Offset int64           // of its first byte in the file
	Line   int64           // number of its first line, from 1
	Body   []byte          // its lines
	Place  json.RawMessage // the fetcher's own: what is asked for next
}

// Pointed is a resource that a pull follows.
type Pointed struct {
	Type, ID string
}

// Found is what a page says of the resources that its pull follows.
type Found struct {
	Source int32     // index in the request, from 0
	Wanted []Pointed // others point to them
	There  []Pointed // they are in the page
	Asked  []Pointed // they were asked for
}

// Page returns the page in hand of a file; ok is false where there is none yet.
func (l *Ledger) Page(ctx context.Context, id fhirmsg.ImportID, file int32) (p Page, ok bool, err error) {
	err = l.pool.QueryRow(ctx, `SELECT off, line, body, place FROM stoker.page WHERE import = $1 AND file = $2`,
		[16]byte(id), file).Scan(&p.Offset, &p.Line, &p.Body, &p.Place)
	if errors.Is(err, pgx.ErrNoRows) {
		return Page{Line: 1}, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("page of file %d of import %s: %w", file, id, err)
	}
	return p, true, nil
}

// ErrOvertaken is that another one went on with a file meanwhile.
var ErrOvertaken = errors.New("another fetcher went on with it")

// KeepPage stores the page in hand of a file instead of the one before, of which all must be stated, and what it says. The one before
// is that which the caller read or kept last, without a place where there was none. Errors: [ErrOvertaken], and nothing is stored.
func (l *Ledger) KeepPage(ctx context.Context, id fhirmsg.ImportID, file int32, before, p Page, f Found) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		keep, args := `INSERT INTO stoker.page (import, file, off, line, body, place) SELECT $1, $2, $3, $4, $5, $6
			WHERE EXISTS (SELECT FROM stoker.file WHERE import = $1 AND file = $2 AND state IN ('waiting', 'open')) ON CONFLICT DO NOTHING`,
			[]any{[16]byte(id), file, p.Offset, p.Line, p.Body, p.Place}
		if before.Place != nil {
			keep = `UPDATE stoker.page SET off = $3, line = $4, body = $5, place = $6 WHERE import = $1 AND file = $2 AND off = $7 AND place = $8`
			args = append(args, before.Offset, before.Place)
		}
		if tag, err := tx.Exec(ctx, keep, args...); err != nil {
			return err
		} else if tag.RowsAffected() == 0 {
			return ErrOvertaken
		}
		batch := &pgx.Batch{}
		point := func(state string, list []Pointed, conflict string) {
			if len(list) == 0 {
				return
			}
			types, ids := make([]string, len(list)), make([]string, len(list))
			for i, r := range list {
				types[i], ids[i] = r.Type, r.ID
			}
			batch.Queue(`INSERT INTO stoker.pointed AS p (import, source, type, id, state)
				SELECT DISTINCT $1::uuid, $2::integer, u.type, u.id, $5::text FROM unnest($3::text[], $4::text[]) AS u(type, id) ORDER BY 3, 4
				ON CONFLICT (import, source, type, id) `+conflict, [16]byte(id), f.Source, types, ids, state)
		}
		point("wanted", f.Wanted, `DO NOTHING`)
		point("asked", f.Asked, `DO UPDATE SET state = 'asked' WHERE p.state = 'wanted'`)
		point("there", f.There, `DO UPDATE SET state = 'there' WHERE p.state <> 'there'`)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return fmt.Errorf("keep a page of file %d of import %s: %w", file, id, err)
	}
	return nil
}

// DropPage removes the page in hand of a file that is at its end.
func (l *Ledger) DropPage(ctx context.Context, id fhirmsg.ImportID, file int32) error {
	if _, err := l.pool.Exec(ctx, `DELETE FROM stoker.page WHERE import = $1 AND file = $2`, [16]byte(id), file); err != nil {
		return fmt.Errorf("drop the page of file %d of import %s: %w", file, id, err)
	}
	return nil
}

// Wanted are resources of one type that others point to and that were not asked for, at most limit; none: there are no more
// of any type.
func (l *Ledger) Wanted(ctx context.Context, id fhirmsg.ImportID, source int32, limit int) ([]Pointed, error) {
	rows, err := l.pool.Query(ctx, `SELECT type, id FROM stoker.pointed WHERE import = $1 AND source = $2 AND state = 'wanted'
		AND type = (SELECT min(type) FROM stoker.pointed WHERE import = $1 AND source = $2 AND state = 'wanted')
		ORDER BY id LIMIT $3`, [16]byte(id), source, limit)
	if err != nil {
		return nil, fmt.Errorf("what import %s is to follow: %w", id, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Pointed])
	if err != nil {
		return nil, fmt.Errorf("what import %s is to follow: %w", id, err)
	}
	return list, nil
}

// Lacks reports whether something was asked for that others point to and that did not come.
func (l *Ledger) Lacks(ctx context.Context, id fhirmsg.ImportID, source int32) (lacks bool, err error) {
	err = l.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.pointed WHERE import = $1 AND source = $2 AND state = 'asked')`,
		[16]byte(id), source).Scan(&lacks)
	if err != nil {
		return false, fmt.Errorf("what import %s lacks: %w", id, err)
	}
	return lacks, nil
}

// DropPages removes what was kept of pulls whose imports have read all their files, or have ended.
func (l *Ledger) DropPages(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		for _, table := range []string{"page", "pointed"} {
			if _, err := tx.Exec(ctx, `DELETE FROM stoker.`+table+` p USING stoker.import i
				WHERE i.id = p.import AND (i.closed IS NOT NULL OR i.ended IS NOT NULL)`); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop pages: %w", err)
	}
	return nil
}
