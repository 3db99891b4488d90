package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Mended says what became of an import's rejects since: by retries of it, and by imports that mend it.
type Mended struct {
	Resolved int64              `json:"resolved"` // whose resource was delivered again and taken
	Open     int64              `json:"open"`     // the others
	By       []fhirmsg.ImportID `json:"by"`
}

// checkMends says why an import cannot mend the one that it names. All rejects of that have to be there first, since they
// are resolved when the resource comes that mends them; of one that is paused those are that there are. The original was read before.
func checkMends(ctx context.Context, tx pgx.Tx, imp fhirmsg.Import, o original) (refusal string, err error) {
	if o.pins.Supplier != imp.Supplier || o.pins.Dataset != imp.Dataset {
		return fmt.Sprintf("import %s, which it is to mend, is not one of supplier %s into dataset %s", imp.Mends, imp.Supplier, imp.Dataset), nil
	}
	if err := o.same(ctx, tx); err != nil {
		return "", err
	}
	switch {
	case !o.state.Ended() && o.state != StatePaused:
		return fmt.Sprintf("import %s is %s and can be mended once it has ended", imp.Mends, o.state), nil
	case o.state.Ended() && o.kept < o.counted && o.ago < lateAfter:
		return "", errRejectsUnderWay
	}
	return "", nil
}

// Taken are resources of one file and type that a retry, or an import that mends another, has brought and that
// were taken. They have one element each in all three lists.
type Taken struct {
	Import  fhirmsg.Import
	File    int32
	Type    string
	IDs     []string // as their supplier knows them
	Lines   []int64
	Entries []int32
}

// RecordResolved states, within the transaction that stores resources, which rejects they resolve: of a retry those of
// their very lines, else those of their keys. Of a reject without a key nothing is guessed. It may be repeated.
func RecordResolved(ctx context.Context, tx pgx.Tx, t Taken) error {
	var err error
	if t.Import.IsRetry() {
		_, err = tx.Exec(ctx, `INSERT INTO stoker.resolved (import, file, line, entry, by, by_file)
			SELECT r.import, r.file, r.line, r.entry, $2, $3 FROM unnest($4::bigint[], $5::int[]) AS u(line, entry)
				JOIN stoker.reject r ON (r.import, r.file, r.line, r.entry) = ($1, $3, u.line, u.entry) AND NOT r.stored
			ON CONFLICT DO NOTHING`, [16]byte(t.Import.Retry), [16]byte(t.Import.ID), t.File, t.Lines, t.Entries)
	} else {
		_, err = tx.Exec(ctx, `INSERT INTO stoker.resolved (import, file, line, entry, by, by_file)
			SELECT r.import, r.file, r.line, r.entry, $2, $3 FROM unnest($5::text[]) AS u(id)
				JOIN stoker.reject r ON r.import = $1 AND hashtextextended(r.id, 0) = hashtextextended(u.id, 0) AND r.id = u.id AND r.type = $4 AND NOT r.stored
			ON CONFLICT DO NOTHING`, [16]byte(t.Import.Mends), [16]byte(t.Import.ID), t.File, t.Type, t.IDs)
	}
	if err != nil {
		return fmt.Errorf("state resolved rejects: %w", err)
	}
	return nil
}

// mended returns what became of an import's rejects, or nil where nothing did.
func mended(ctx context.Context, tx pgx.Tx, s Status) (*Mended, error) {
	var m Mended
	var by [][16]byte
	err := tx.QueryRow(ctx, `SELECT (SELECT count(DISTINCT (file, line, entry)) FROM stoker.resolved WHERE import = $1),
		ARRAY(SELECT id FROM stoker.import WHERE mends = $1 OR retry = $1 ORDER BY issued)`, [16]byte(s.Import)).Scan(&m.Resolved, &by)
	if err != nil || len(by) == 0 {
		return nil, err
	}
	for _, id := range by {
		m.By = append(m.By, id)
	}
	m.Open = s.Lines.Rejected + s.Resources.Rejected - m.Resolved
	return &m, nil
}
