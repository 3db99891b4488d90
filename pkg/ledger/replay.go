package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Replay writes again what the stream of resources held of a dataset. Its JSON is what
// `stoker replay --json` prints.
type Replay struct {
	ID      fhirmsg.ImportID  `json:"replay"` // a UUID, version 7, as imports have
	Dataset string            `json:"dataset"`
	Into    string            `json:"into"` // the same dataset, or another
	Import  *fhirmsg.ImportID `json:"import,omitempty"`
	Force   bool              `json:"force,omitempty"`
	After   *time.Time        `json:"after,omitempty"` // imports accepted until then were of a dataset that was dropped
	First   uint64            `json:"first_sequence"`
	Last    uint64            `json:"last_sequence"`
	Whole   bool              `json:"whole"` // once complete, Into has all that Dataset had up to Last
	State   ReplayState       `json:"state"`
	Reason  string            `json:"reason,omitempty"`
	Created time.Time         `json:"created"`
	Seconds float64           `json:"seconds"`
	// Restores, where it is set, says that everything is brought back that was lost since: at the end nothing may be missing.
	Restores *time.Time   `json:"restores,omitempty"`
	Types    []ReplayType `json:"types"`
}

// ReplayState is the state of a replay: preparing → running → complete, failed or cancelled.
type ReplayState string

// The states. Preparing is while it is found out what there is to read; nobody works on it.
const (
	ReplayPreparing ReplayState = "preparing"
	ReplayRunning   ReplayState = "running"
	ReplayComplete  ReplayState = "complete"
	ReplayFailed    ReplayState = "failed"
	ReplayCancelled ReplayState = "cancelled"
)

// Ended reports whether nothing follows the state.
func (s ReplayState) Ended() bool { return s != ReplayPreparing && s != ReplayRunning }

// ReplayType is what a replay reads of one type, and what became of it so far.
type ReplayType struct {
	Type      string `json:"type"`
	First     uint64 `json:"first_sequence"`
	Last      uint64 `json:"last_sequence"`
	Messages  int64  `json:"messages"` // to be read
	Done      int64  `json:"done"`     // of them
	Unstated  int64  `json:"unstated,omitempty"`
	Resources int64  `json:"resources"` // of those done
	Present   int64  `json:"present"`   // were there under the same version: nothing to do
	Counts
}

// Sum adds up the types.
func (r Replay) Sum() (sum ReplayType) {
	for _, t := range r.Types {
		sum.Messages += t.Messages
		sum.Done += t.Done
		sum.Unstated += t.Unstated
		sum.Resources += t.Resources
		sum.Present += t.Present
		sum.Plus(t.Counts)
	}
	return sum
}

// Has reports whether the messages of an import are the replay's to write.
func (r Replay) Has(imp fhirmsg.Import) bool {
	return (r.Import == nil || *r.Import == imp.ID) && (r.After == nil || imp.AcceptedAt() > micros(*r.After))
}

// ErrNoReplay is returned for a replay that the ledger does not know.
var ErrNoReplay = errors.New("no such replay")

const selectReplay = `SELECT id, dataset, target, import, force, after, first, last, whole, state, reason, created, restores,
	extract(epoch FROM coalesce(ended, clock_timestamp()) - created)::float8 FROM stoker.replay `

func scanReplay(row pgx.CollectableRow) (Replay, error) {
	var r Replay
	var id [16]byte
	var imp *[16]byte
	var first, last int64
	err := row.Scan(&id, &r.Dataset, &r.Into, &imp, &r.Force, &r.After, &first, &last, &r.Whole, &r.State, &r.Reason, &r.Created, &r.Restores, &r.Seconds)
	r.ID, r.Import = id, (*fhirmsg.ImportID)(imp)
	r.First, r.Last = uint64(first), uint64(last)
	return r, err
}

// Replay returns a replay as it stands. Errors: [ErrNoReplay].
func (l *Ledger) Replay(ctx context.Context, id fhirmsg.ImportID) (Replay, error) {
	list, err := l.replays(ctx, selectReplay+`WHERE id = $1`, [16]byte(id))
	if err == nil && len(list) == 0 {
		err = ErrNoReplay
	}
	if err != nil {
		return Replay{}, fmt.Errorf("replay %s: %w", id, err)
	}
	return list[0], nil
}

// Replays returns the newest replays, at most limit.
func (l *Ledger) Replays(ctx context.Context, limit int) ([]Replay, error) {
	list, err := l.replays(ctx, selectReplay+`ORDER BY created DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list replays: %w", err)
	}
	return list, nil
}

// replays reads replays with what became of their messages, in one snapshot.
func (l *Ledger) replays(ctx context.Context, sql string, args ...any) (list []Replay, err error) {
	err = pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		if list, err = pgx.CollectRows(rows, scanReplay); err != nil {
			return err
		}
		for i := range list {
			if list[i].Types, err = replayTypes(ctx, tx, list[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func replayTypes(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) ([]ReplayType, error) {
	rows, err := tx.Query(ctx, `SELECT t.type, t.first, t.last, t.messages, coalesce(d.done, 0), coalesce(d.unstated, 0), coalesce(d.resources, 0),
			coalesce(d.inserted, 0), coalesce(d.updated, 0), coalesce(d.unchanged, 0), coalesce(d.stale, 0), coalesce(d.deleted, 0),
			coalesce(d.skipped, 0), coalesce(d.rejected, 0), coalesce(d.discarded, 0), coalesce(d.cancelled, 0)
		FROM stoker.replay_type t LEFT JOIN (SELECT type, count(*) AS done, count(*) FILTER (WHERE unstated) AS unstated,
				sum(resources)::bigint AS resources, sum(inserted)::bigint AS inserted, sum(updated)::bigint AS updated,
				sum(unchanged)::bigint AS unchanged, sum(stale)::bigint AS stale, sum(deleted)::bigint AS deleted,
				sum(skipped)::bigint AS skipped, sum(rejected)::bigint AS rejected, sum(discarded)::bigint AS discarded,
				sum(cancelled)::bigint AS cancelled
			FROM stoker.replayed WHERE replay = $1 GROUP BY type) d USING (type)
		WHERE t.replay = $1 ORDER BY t.type`, [16]byte(id))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ReplayType, error) {
		var t ReplayType
		var first, last int64
		err := row.Scan(&t.Type, &first, &last, &t.Messages, &t.Done, &t.Unstated, &t.Resources, &t.Inserted, &t.Updated, &t.Unchanged,
			&t.Stale, &t.Deleted, &t.Skipped, &t.Rejected, &t.Discarded, &t.Cancelled)
		t.First, t.Last = uint64(first), uint64(last)
		t.Present = t.Resources - t.Total()
		return t, err
	})
}
