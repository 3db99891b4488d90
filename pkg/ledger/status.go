package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Status is an import as it stands. Its JSON is what `stoker status --json` prints.
type Status struct {
	Import     fhirmsg.ImportID   `json:"import"`
	Supplier   string             `json:"supplier"`
	Dataset    string             `json:"dataset"`
	Mode       fhirmsg.Mode       `json:"mode"`
	Validation fhirmsg.Validation `json:"validation"`
	State      State              `json:"state"`
	Reason     string             `json:"reason,omitempty"`
	Waiting    *Waiting           `json:"waiting,omitempty"` // nil: it goes on
	Issued     time.Time          `json:"issued"`
	Lines      Lines              `json:"lines"`
	Resources  Resources          `json:"resources"`
	Missing    int64              `json:"missing"`
	Divergent  int64              `json:"divergent"` // statements that contradict an earlier one
	Seconds    float64            `json:"seconds"`
	ByType     map[string]Counts  `json:"by_type"`
	Files      []FileStatus       `json:"files"`
	Skipped    []SkippedFile      `json:"skipped,omitempty"`
	Notes      []string           `json:"notes,omitempty"` // what was noticed that is no failure

	// TransactionTime is the time that what was delivered is of, as the supplier's server says. Of an import that
	// is complete it is what to ask for changes since the next time (Bulk Data Access IG). nil is unknown.
	TransactionTime *time.Time `json:"transaction_time,omitempty"`

	// Issues of rejects and of what was stored all the same, the most frequent first, and how
	// many kinds there are besides.
	IssueKinds     []IssueKind `json:"issue_kinds,omitzero"`
	MoreIssueKinds int64       `json:"more_issue_kinds,omitempty"`

	RetryOf *fhirmsg.ImportID  `json:"retry_of,omitempty"` // whose rejects it puts through again
	Retries []fhirmsg.ImportID `json:"retries,omitempty"`  // of its own rejects

	Snapshot *Snapshot         `json:"snapshot,omitempty"` // nil: it is none
	Mends    *fhirmsg.ImportID `json:"mends,omitempty"`    // whose rejects it delivers anew
	Mended   *Mended           `json:"mended,omitempty"`   // what became of its own rejects since
	Swept    *time.Time        `json:"reports_removed,omitempty"`
}

// Lines adds up: Read = Blank + Control + Rejected + Plain + Bundles, once parsed.
type Lines struct {
	Read     int64 `json:"read"`
	Parsed   int64 `json:"parsed"`
	Blank    int64 `json:"blank"`
	Control  int64 `json:"control"`
	Rejected int64 `json:"rejected"`
	Plain    int64 `json:"plain"`
	Bundles  int64 `json:"bundles"`
}

// Resources adds up: Seen = Ignored + all of Counts (without Conflicts and Foreign), once written.
type Resources struct {
	Seen    int64 `json:"seen"`
	Ignored int64 `json:"ignored"`
	Counts
	Clamped int64 `json:"clamped"` // dated in the future
	Issues  int64 `json:"issues"`  // reported on resources that were taken
}

// State returns an import's state alone, which takes no time. Errors: [ErrNotFound].
func (l *Ledger) State(ctx context.Context, id fhirmsg.ImportID) (state State, err error) {
	if err := l.pool.QueryRow(ctx, `SELECT state FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&state); err != nil {
		return "", fmt.Errorf("state of import %s: %w", id, notFound(err))
	}
	return state, nil
}

// Status returns an import as it stands. Errors: [ErrNotFound].
func (l *Ledger) Status(ctx context.Context, id fhirmsg.ImportID) (Status, error) {
	return l.status(ctx, id, true)
}

// Progress is Status without the kinds of issues, which take a while to add up where there are
// millions. Errors: [ErrNotFound].
func (l *Ledger) Progress(ctx context.Context, id fhirmsg.ImportID) (Status, error) {
	return l.status(ctx, id, false)
}

func (l *Ledger) status(ctx context.Context, id fhirmsg.ImportID, issues bool) (Status, error) {
	var s Status
	// One snapshot, so that the figures fit together.
	err := pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		if s, err = head(ctx, tx, id); err != nil {
			return err
		}
		if s.Waiting, err = waiting(ctx, tx, id); err != nil {
			return err
		}
		if s.Mended, err = mended(ctx, tx, s); err != nil {
			return err
		}
		if err = s.addSnapshot(ctx, tx); err != nil {
			return err
		}
		if s.ByType, err = byType(ctx, tx, id); err != nil {
			return err
		}
		if s.Files, err = fileStatus(ctx, tx, id); err != nil {
			return err
		}
		if s.Skipped, err = skipped(ctx, tx, id); err != nil {
			return err
		}
		if s.Notes, err = notes(ctx, tx, id); err != nil {
			return err
		}
		if issues {
			s.IssueKinds, s.MoreIssueKinds, err = issueKinds(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return s, fmt.Errorf("status of import %s: %w", id, err)
	}
	return s, nil
}

func skipped(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) ([]SkippedFile, error) {
	rows, err := tx.Query(ctx, `SELECT name, reason FROM stoker.skipped WHERE import = $1 ORDER BY name COLLATE "C"`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[SkippedFile])
}

func head(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (Status, error) {
	s := Status{Import: id}
	var retry, mends *[16]byte
	var retries [][16]byte
	err := tx.QueryRow(ctx, `SELECT i.snapshot, i.mends, i.swept, i.supplier, i.dataset, i.pins->>'mode', coalesce(i.pins->>'validation', 'off'), i.retry,
			ARRAY(SELECT r.id FROM stoker.import r WHERE r.retry = i.id ORDER BY r.issued), i.state, i.reason, i.issued,
			i.transaction_time, extract(epoch FROM coalesce(i.ended, clock_timestamp()) - i.issued)::float8,
			t.lines_read, t.lines_parsed, t.blank, t.control, t.lines_rejected, t.plain, t.bundles, t.seen, t.rejected, t.ignored,
			t.inserted, t.updated, t.unchanged, t.stale, t.deleted, t.skipped, t.discarded, t.cancelled, t.conflicts,
			(SELECT coalesce(sum(w.foreign_rows), 0)::bigint FROM stoker.written w WHERE w.import = i.id), t.clamped, t.issues, t.divergent, t.missing
		FROM stoker.import i, stoker.totals(i.id) t WHERE i.id = $1`, [16]byte(id)).Scan(
		&s.Snapshot, &mends, &s.Swept, &s.Supplier, &s.Dataset, &s.Mode, &s.Validation, &retry, &retries, &s.State, &s.Reason, &s.Issued, &s.TransactionTime, &s.Seconds,
		&s.Lines.Read, &s.Lines.Parsed, &s.Lines.Blank, &s.Lines.Control, &s.Lines.Rejected, &s.Lines.Plain, &s.Lines.Bundles,
		&s.Resources.Seen, &s.Resources.Rejected, &s.Resources.Ignored,
		&s.Resources.Inserted, &s.Resources.Updated, &s.Resources.Unchanged, &s.Resources.Stale, &s.Resources.Deleted,
		&s.Resources.Skipped, &s.Resources.Discarded, &s.Resources.Cancelled, &s.Resources.Conflicts, &s.Resources.Foreign,
		&s.Resources.Clamped, &s.Resources.Issues, &s.Divergent, &s.Missing)
	s.RetryOf, s.Mends = (*fhirmsg.ImportID)(retry), (*fhirmsg.ImportID)(mends)
	for _, r := range retries {
		s.Retries = append(s.Retries, r)
	}
	return s, notFound(err)
}

func byType(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) (map[string]Counts, error) {
	rows, err := tx.Query(ctx, `SELECT type, sum(inserted)::bigint, sum(updated)::bigint, sum(unchanged)::bigint, sum(stale)::bigint,
			sum(deleted)::bigint, sum(skipped)::bigint, sum(rejected)::bigint, sum(discarded)::bigint, sum(cancelled)::bigint, sum(conflicts)::bigint, sum(foreign_rows)::bigint
		FROM stoker.written WHERE import = $1 GROUP BY type`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	counts := map[string]Counts{}
	var name string
	var c Counts
	_, err = pgx.ForEachRow(rows, []any{&name, &c.Inserted, &c.Updated, &c.Unchanged, &c.Stale,
		&c.Deleted, &c.Skipped, &c.Rejected, &c.Discarded, &c.Cancelled, &c.Conflicts, &c.Foreign}, func() error {
		counts[name] = c
		return nil
	})
	return counts, err
}

// Summary is a line of the list of imports.
type Summary struct {
	Import   fhirmsg.ImportID `json:"import"`
	Supplier string           `json:"supplier"`
	Dataset  string           `json:"dataset"`
	State    State            `json:"state"`
	Reason   string           `json:"reason,omitempty"`
	Issued   time.Time        `json:"issued"`
	Seen     int64            `json:"seen"`
	Rejected int64            `json:"rejected"` // lines and resources
	Missing  int64            `json:"missing"`
}

// List returns the newest imports, of one supplier or, for "", of all, at most limit.
func (l *Ledger) List(ctx context.Context, supplier string, limit int) ([]Summary, error) {
	rows, err := l.pool.Query(ctx, `SELECT i.id, i.supplier, i.dataset, i.state, i.reason, i.issued, t.seen, t.lines_rejected + t.rejected, t.missing
		FROM (SELECT id, supplier, dataset, state, reason, issued FROM stoker.import
			WHERE $2 = '' OR supplier = $2 ORDER BY issued DESC LIMIT $1) i,
			stoker.totals(i.id) t ORDER BY i.issued DESC`, limit, supplier)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Summary, error) {
		var s Summary
		var id [16]byte
		err := row.Scan(&id, &s.Supplier, &s.Dataset, &s.State, &s.Reason, &s.Issued, &s.Seen, &s.Rejected, &s.Missing)
		s.Import = id
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	return list, nil
}

// Missing is how many lines and resources of unfinished imports are not accounted for yet.
func (l *Ledger) Missing(ctx context.Context) (n int64, err error) {
	err = l.pool.QueryRow(ctx, `SELECT coalesce(sum(t.missing), 0)::bigint
		FROM stoker.import i, stoker.totals(i.id) t WHERE i.ended IS NULL`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("missing: %w", err)
	}
	return n, nil
}
