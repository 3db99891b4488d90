package operate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/journal"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// Dataset is a dataset as it stands.
type Dataset struct {
	Name        string    `json:"dataset"`
	Mode        string    `json:"mode"`
	FHIRVersion string    `json:"fhir_version"`
	Created     time.Time `json:"created"`
	Tables      int64     `json:"tables"`
	Rows        int64     `json:"rows_estimate"` // PostgreSQL's estimate
	Bytes       int64     `json:"bytes"`         // of tables with their indexes
	Imports     int64     `json:"imports"`       // into it
	OpenImports int64     `json:"open_imports"`
	Replays     int64     `json:"replays_into"`
	OpenReplays int64     `json:"open_replays"` // that read or write it
}

// Datasets lists all datasets.
func (o *Operator) Datasets(ctx context.Context) ([]Dataset, error) {
	rows, err := o.Pool.Query(ctx, `SELECT d.name, d.mode, d.fhir_version, d.created, coalesce(t.tables, 0), coalesce(t.rows, 0), coalesce(t.bytes, 0),
			(SELECT count(*) FROM stoker.import i WHERE i.dataset = d.name),
			(SELECT count(*) FROM stoker.import i WHERE i.dataset = d.name AND ended IS NULL),
			(SELECT count(*) FROM stoker.replay r WHERE r.target = d.name AND r.dataset <> d.name),
			(SELECT count(*) FROM stoker.replay r WHERE d.name IN (r.target, r.dataset) AND ended IS NULL)
		FROM stoker.dataset d LEFT JOIN (
			SELECT n.nspname AS name, count(*) AS tables, sum(greatest(c.reltuples, 0))::bigint AS rows,
				sum(pg_total_relation_size(c.oid))::bigint AS bytes
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				JOIN pg_trigger g ON g.tgrelid = c.oid AND g.tgname = 'forget_hash'
			GROUP BY n.nspname) t ON t.name = d.name
		ORDER BY d.name`)
	if err != nil {
		return nil, fmt.Errorf("list datasets: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Dataset])
	if err != nil {
		return nil, fmt.Errorf("list datasets: %w", err)
	}
	return list, nil
}

// Drop removes a dataset with its rows. The account of its imports stays, and so does what the
// stream has of them. Errors: [ErrRequest], [ErrRefused], [ledger.ErrNoDataset], [ledger.ErrState].
func (o *Operator) Drop(ctx context.Context, name string) error {
	if err := fhirmsg.CheckDataset(name); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	err := o.exclusively(ctx, []string{name}, func(ctx context.Context, tx pgx.Tx) error {
		if err := ledger.DropDataset(ctx, tx, name); err != nil {
			return err
		}
		return store.DropTables(ctx, tx, name)
	})
	if err != nil {
		return err
	}
	at, err := o.Ledger.DroppedAt(ctx, name)
	if err != nil {
		return err
	}
	return o.keep(ctx, fhirmsg.DatasetStatement{Dataset: name, What: fhirmsg.DatasetDropped, At: at})
}

// SetHistory turns on or off that a dataset keeps every version; changed is false where it was so
// already. Turning it on copies what the dataset has, and its batches wait meanwhile.
func (o *Operator) SetHistory(ctx context.Context, name string, on bool) (changed bool, err error) {
	if changed, err = store.SetHistory(ctx, o.Pool, name, on); err != nil {
		return false, err
	}
	since, err := o.Ledger.HistorySince(ctx, name)
	if err != nil {
		return changed, err
	}
	what := fhirmsg.HistoryOn
	if since.IsZero() {
		what = fhirmsg.HistoryOff
	}
	return changed, o.keep(ctx, fhirmsg.DatasetStatement{Dataset: name, What: what, At: since})
}

// keep publishes what was changed of a dataset in the journal, whether or not it was so before: the
// command before may have ended between its commit and this.
func (o *Operator) keep(ctx context.Context, s fhirmsg.DatasetStatement) error {
	ctx, cancel := context.WithTimeout(ctx, keepFor)
	defer cancel()
	if err := (journal.Journal{Bus: o.Bus, Ledger: o.Ledger}).Dataset(ctx, s); err != nil {
		return fmt.Errorf("done, but it could not be noted for a restore of the database: %w", err)
	}
	return nil
}

// keepFor is how long it may take to publish what was changed of a dataset.
const keepFor = 10 * time.Second
