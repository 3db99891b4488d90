package growth

import (
	"context"
	"fmt"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/bench"
)

// state is what counters and sizes say at one moment.
type state struct {
	loads       map[string]bench.Load
	wal         int64 // bytes ever written to PostgreSQL's log
	fullPages   int64 // of them whole pages, since they were changed for the first time after a checkpoint
	checkpoints int64
	misses      int64 // pages that were not in shared_buffers
	sizes       Sizes
	stream      bus.StreamSize // RESOURCES
}

// Sizes are bytes on disk.
type Sizes struct {
	Heap   int64 `json:"heap"`   // of the dataset's tables, without what follows
	TOAST  int64 `json:"toast"`  // of the resources that are too large for a page
	Index  int64 `json:"index"`  // of the dataset's tables
	Ledger int64 `json:"ledger"` // all of the schema stoker
}

func look(ctx context.Context, p *bench.Pipeline) (state, error) {
	s := state{loads: p.Loads()}
	if err := s.readDatabase(ctx, p); err != nil {
		return s, fmt.Errorf("look at PostgreSQL: %w", err)
	}
	streams, err := p.Bus.Sizes(ctx)
	if err != nil {
		return s, fmt.Errorf("look at JetStream: %w", err)
	}
	for _, stream := range streams {
		if stream.Stream == fhirmsg.StreamResources {
			s.stream = stream
		}
	}
	return s, nil
}

func (s *state) readDatabase(ctx context.Context, p *bench.Pipeline) error {
	// Counters of sessions are up to a second behind; the position in the log is not.
	if err := p.Pool.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, wal_fpi,
			(SELECT blks_read FROM pg_stat_database WHERE datname = current_database())
		FROM pg_stat_wal`).Scan(&s.wal, &s.fullPages, &s.misses); err != nil {
		return err
	}
	if err := p.Pool.QueryRow(ctx, `SELECT
			coalesce(sum(pg_table_size(c.oid)) FILTER (WHERE n.nspname = $1), 0)::bigint
				- coalesce(sum(pg_total_relation_size(c.reltoastrelid)) FILTER (WHERE n.nspname = $1 AND c.reltoastrelid <> 0), 0)::bigint,
			coalesce(sum(pg_total_relation_size(c.reltoastrelid)) FILTER (WHERE n.nspname = $1 AND c.reltoastrelid <> 0), 0)::bigint,
			coalesce(sum(pg_indexes_size(c.oid)) FILTER (WHERE n.nspname = $1), 0)::bigint,
			coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE n.nspname = 'stoker'), 0)::bigint
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname IN ($1, 'stoker')`, fhirmsg.DefaultDataset).
		Scan(&s.sizes.Heap, &s.sizes.TOAST, &s.sizes.Index, &s.sizes.Ledger); err != nil {
		return err
	}
	// PostgreSQL 17 has moved them.
	var moved bool
	if err := p.Pool.QueryRow(ctx, `SELECT to_regclass('pg_catalog.pg_stat_checkpointer') IS NOT NULL`).Scan(&moved); err != nil {
		return err
	}
	query := `SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter`
	if moved {
		query = `SELECT num_timed + num_requested FROM pg_stat_checkpointer`
	}
	return p.Pool.QueryRow(ctx, query).Scan(&s.checkpoints)
}
