package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Submitted is a manifest of a submission, as it stands.
type Submitted struct {
	Import      fhirmsg.ImportID
	Manifest    string // URL
	State       State  // of the import; "" before a fetcher accepted it
	Reason      string // of the import
	Files, Read int    // files, and those of them that are at their end
	Withdrawn   bool   // it is to be undone
	Replacement string // URL of the manifest that takes its place; "" for none
	Undone      bool
	Removed     int64  // by undoing it: resources of which nothing is left
	Restored    int64  // and those that have an earlier version again
	Problem     string // why it cannot be undone
}

// Settled reports whether nothing follows of what was asked for with the manifest.
func (m Submitted) Settled() bool {
	if m.Withdrawn {
		return m.Undone
	}
	return m.State.Ended()
}

// IsGone reports whether nothing is left of what the manifest brought.
func (m Submitted) IsGone() bool { return m.Withdrawn && m.Problem == "" }

// Manifests returns the manifests of a submission in their order.
func (l *Ledger) Manifests(ctx context.Context, submission fhirmsg.ImportID) ([]Submitted, error) {
	rows, err := l.pool.Query(ctx, `SELECT m.import, m.manifest, coalesce(i.state, ''), coalesce(i.reason, ''), f.files, f.read, m.withdrawn IS NOT NULL,
			coalesce(r.manifest, ''), m.undone IS NOT NULL, m.removed, m.restored, m.problem
		FROM stoker.submitted m
		LEFT JOIN stoker.import i ON i.id = m.import
		LEFT JOIN stoker.submitted r ON r.import = m.replacement
		CROSS JOIN LATERAL (SELECT count(*)::int AS files, count(*) FILTER (WHERE state IN ('closed', 'failed'))::int AS read
			FROM stoker.file WHERE import = m.import) f
		WHERE m.submission = $1 ORDER BY m.place`, [16]byte(submission))
	if err != nil {
		return nil, fmt.Errorf("manifests of submission %s: %w", submission, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Submitted, err error) {
		err = row.Scan((*[16]byte)(&m.Import), &m.Manifest, &m.State, &m.Reason, &m.Files, &m.Read, &m.Withdrawn,
			&m.Replacement, &m.Undone, &m.Removed, &m.Restored, &m.Problem)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("manifests of submission %s: %w", submission, err)
	}
	return list, nil
}

// Queueable is a manifest whose import is to be put into the queue.
type Queueable struct {
	Request fhirmsg.ImportRequest // it may hold secrets
	History bool                  // its dataset keeps every version, so that it can be undone
	Dataset string
}

// Queueables returns the manifests that are not in the queue yet, of one submission or, for the zero id, of all; of each supplier the
// oldest ones, at most so many.
func (l *Ledger) Queueables(ctx context.Context, submission fhirmsg.ImportID, each int) ([]Queueable, error) {
	rows, err := l.pool.Query(ctx, `SELECT request, dataset, EXISTS (SELECT FROM stoker.history h WHERE h.dataset = w.dataset) FROM (
			SELECT m.request, s.dataset, s.begun, m.place, row_number() OVER (PARTITION BY s.supplier ORDER BY s.begun, m.place) AS n
			FROM stoker.submitted m JOIN stoker.submission s ON s.id = m.submission
			WHERE m.request IS NOT NULL AND ($1::uuid IS NULL OR m.submission = $1)) w
		WHERE n <= $2 ORDER BY begun, place`, orNull(submission), each)
	if err != nil {
		return nil, fmt.Errorf("manifests to queue: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (q Queueable, err error) {
		err = row.Scan(&q.Request, &q.Dataset, &q.History)
		return q, err
	})
	if err != nil {
		return nil, fmt.Errorf("manifests to queue: %w", err)
	}
	return list, nil
}

// Queued notes that a manifest's import is in the queue, and forgets its request.
func (l *Ledger) Queued(ctx context.Context, id fhirmsg.ImportID) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.submitted SET request = NULL WHERE import = $1`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("note that import %s is queued: %w", id, err)
	}
	return nil
}

// Withdrawn is a manifest that is to be undone.
type Withdrawn struct {
	Import   fhirmsg.ImportID
	Supplier string
}

// Withdrawals returns of each supplier the manifest that is to be undone next.
func (l *Ledger) Withdrawals(ctx context.Context) ([]Withdrawn, error) {
	rows, err := l.pool.Query(ctx, `SELECT DISTINCT ON (s.supplier) m.import, s.supplier FROM stoker.submitted m JOIN stoker.submission s ON s.id = m.submission
		WHERE m.withdrawn IS NOT NULL AND m.undone IS NULL ORDER BY s.supplier, m.withdrawn, m.place`)
	if err != nil {
		return nil, fmt.Errorf("manifests to undo: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Withdrawn, err error) {
		err = row.Scan((*[16]byte)(&w.Import), &w.Supplier)
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("manifests to undo: %w", err)
	}
	return list, nil
}

// Postpone puts a manifest that is to be undone behind the supplier's others, since it could not be this time.
func (l *Ledger) Postpone(ctx context.Context, id fhirmsg.ImportID) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.submitted SET withdrawn = clock_timestamp() WHERE import = $1 AND undone IS NULL`, [16]byte(id))
	if err != nil {
		return fmt.Errorf("postpone undoing import %s: %w", id, err)
	}
	return nil
}

// Undone notes what undoing a manifest did, or why it cannot be done.
func (l *Ledger) Undone(ctx context.Context, id fhirmsg.ImportID, removed, restored int64, problem string) error {
	_, err := l.pool.Exec(ctx, `UPDATE stoker.submitted SET undone = clock_timestamp(), removed = removed + $2, restored = restored + $3, problem = $4
		WHERE import = $1 AND undone IS NULL`, [16]byte(id), removed, restored, problem)
	if err != nil {
		return fmt.Errorf("note that import %s is undone: %w", id, err)
	}
	return nil
}

// orNull is an id, or null where it is zero.
func orNull(id fhirmsg.ImportID) *[16]byte {
	if id == (fhirmsg.ImportID{}) {
		return nil
	}
	return (*[16]byte)(&id)
}

// IsShared reports whether suppliers other than one deliver into a dataset, or have.
func (l *Ledger) IsShared(ctx context.Context, dataset, supplier string) (shared bool, err error) {
	err = l.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stoker.supplier WHERE name <> $2 AND removed IS NULL AND coalesce(policy->>'dataset', name) = $1)
		OR EXISTS (SELECT FROM stoker.import WHERE dataset = $1 AND supplier <> $2)`, dataset, supplier).Scan(&shared)
	if err != nil {
		return false, fmt.Errorf("suppliers of dataset %s: %w", dataset, err)
	}
	return shared, nil
}
