package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// sweptImports is how many imports are looked at in one sweep of reports, and sweptRows how many rejects are
// removed in one transaction.
const (
	sweptImports = 100
	sweptRows    = 10_000
)

// readByRetry is of imports i that a retry under way reads the rejects of.
const readByRetry = `EXISTS (SELECT FROM stoker.import r WHERE r.retry = i.id AND r.ended IS NULL)`

// SweepReports removes the rejects, with what was reported of stored resources, of imports whose supplier's policy keeps
// them no longer. Their account stays, and so do the counts by kind of issue, which hold no data. It returns how
// many rows were removed, and may be called by several processes at once.
func (l *Ledger) SweepReports(ctx context.Context) (removed int64, err error) {
	ids, err := l.importIDs(ctx, `SELECT id FROM stoker.import i WHERE policy->'keep_reports_days' IS NOT NULL AND swept IS NULL AND ended IS NOT NULL
		AND (policy->>'keep_reports_days')::bigint > 0
		AND ended < clock_timestamp() - (policy->>'keep_reports_days')::bigint * interval '1 day' AND NOT `+readByRetry+` ORDER BY ended LIMIT $1`, sweptImports)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		n, err := l.sweepReport(ctx, id)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("remove the reports of import %s: %w", id, err)
		}
	}
	return removed, nil
}

func (l *Ledger) sweepReport(ctx context.Context, id fhirmsg.ImportID) (removed int64, err error) {
	for {
		// An import that goes on, as its snapshot was confirmed, or whose rejects a retry reads, is left alone.
		tag, err := l.pool.Exec(ctx, `WITH over AS (SELECT FROM stoker.import i WHERE id = $1 AND ended IS NOT NULL AND NOT `+readByRetry+` FOR UPDATE)
			DELETE FROM stoker.reject WHERE EXISTS (SELECT FROM over)
				AND ctid = ANY(ARRAY(SELECT ctid FROM stoker.reject WHERE import = $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
			[16]byte(id), sweptRows)
		if err != nil {
			return removed, err
		}
		removed += tag.RowsAffected()
		if tag.RowsAffected() == 0 {
			break
		}
	}
	// Another process may still hold some of them; then it states the end, or the next sweep does.
	_, err = l.pool.Exec(ctx, `UPDATE stoker.import SET swept = clock_timestamp()
		WHERE id = $1 AND swept IS NULL AND NOT EXISTS (SELECT FROM stoker.reject WHERE import = $1)`, [16]byte(id))
	return removed, err
}

// Sweep is when an import's reports were removed, and how many days after its end they were to be.
type Sweep struct {
	At   *time.Time
	Days int64
}

// Swept is when an import's reports were removed, as its supplier's policy says; nil: they were not. Errors: [ErrNotFound].
func (l *Ledger) Swept(ctx context.Context, id fhirmsg.ImportID) (s *Sweep, err error) {
	rows, err := l.pool.Query(ctx, `SELECT swept, coalesce((policy->>'keep_reports_days')::bigint, 0) FROM stoker.import WHERE id = $1`, [16]byte(id))
	if err == nil {
		s, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByPos[Sweep])
	}
	if err != nil {
		return nil, fmt.Errorf("reports of import %s: %w", id, notFound(err))
	}
	if s.At == nil {
		return nil, nil
	}
	return s, nil
}
