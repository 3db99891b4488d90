package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// NoteOutcome is how a note begins on what a supplier's server reports of its own work; severity and code follow, as
// in "error not-found".
const NoteOutcome = "the server reports of its own work: "

// insertNotes is in order, so that those who note the same at once do not wait for each other.
const insertNotes = `INSERT INTO stoker.note (import, note) SELECT $1, t.n FROM (SELECT DISTINCT unnest($2::text[]) AS n ORDER BY 1) t
	ON CONFLICT (import, note) DO NOTHING`

// Note keeps what was noticed of an import and is no failure. The same text again changes nothing. It must
// hold nothing of the content.
func (l *Ledger) Note(ctx context.Context, id fhirmsg.ImportID, texts ...string) error {
	if len(texts) == 0 {
		return nil
	}
	// With what is new the import has changed, so that the journal gets it. All is counted, so that all is inserted before the import is locked.
	if _, err := l.pool.Exec(ctx, `WITH added AS (`+insertNotes+` RETURNING note)
		UPDATE stoker.import SET change = change + 1 WHERE id = $1 AND (SELECT count(*) FROM added) > 0`, [16]byte(id), texts); err != nil {
		return fmt.Errorf("note on import %s: %w", id, err)
	}
	return nil
}

func notes(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT note FROM stoker.note WHERE import = $1 ORDER BY note COLLATE "C"`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
