package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Replay says how batches are written that were written before.
type Replay struct {
	ID    fhirmsg.ImportID
	Into  string // the batches' own dataset, or another
	Force bool   // write bodies also where the very version is there
}

// replay is a group's part of a replay.
type replay struct {
	Replay
	sequences []uint64         // of the batches' messages
	stated    []*ledger.Stated // of the batches, read in the transaction
}

// Replay is [Store.Write] of batches that were written before. They take effect as they did
// then: what their statements say was rejected, cancelled or discarded stays out. Into their own dataset
// they are stated as ever, which says nothing where they were, and brings the statement back
// where it was lost with the rows. Into another dataset their statements stay as they are, and
// those without one are not written: they are the dataset's that lost them. Each message is stated
// for the replay, in the same transaction. Of a replay that ended, nothing is written.
func (s *Store) Replay(ctx context.Context, r Replay, batches []fhirmsg.Batch, sequences []uint64) (Result, error) {
	g, err := newGroup(batches)
	if err != nil {
		return Result{}, err
	}
	g.dataset, g.replay = r.Into, &replay{Replay: r, sequences: sequences}
	return s.write(ctx, g)
}

// elsewhere reports whether a replay writes into another dataset than the batches' own.
func (g *group) elsewhere() bool {
	return g.replay != nil && g.replay.Into != g.batches[0].Import.Dataset
}

// read reads what a replay needs to know, under the dataset's lock.
func (g *group) read(ctx context.Context, tx pgx.Tx) error {
	if g.replay == nil {
		return nil
	}
	runs, err := ledger.ReplayRuns(ctx, tx, g.replay.ID)
	if err == nil && !runs {
		err = errNothingToDo
	}
	if err != nil {
		return err
	}
	return g.readStated(ctx, tx)
}

func (g *group) readStated(ctx context.Context, tx pgx.Tx) (err error) {
	g.replay.stated, err = ledger.StatedOf(ctx, tx, g.headers())
	for i, s := range g.replay.stated {
		if s != nil && s.Restored && (g.elsewhere() || len(s.Outcomes) != len(g.outcomes[i])) {
			g.replay.stated[i] = nil // not the dataset's again yet
		}
	}
	return err
}

// stated returns what a replayed row is to be settled as without being written, 0 if it is to be
// written, and whether its batch was stated before.
func (g *group) stated(r *row) (out ledger.Outcome, stated bool) {
	if g.replay == nil {
		return 0, false
	}
	s := g.replay.stated[r.batch]
	switch {
	case s == nil && g.elsewhere():
		return ledger.Repeated, false
	case s == nil:
		return 0, false
	case r.index >= len(s.Outcomes): // another batch was stated in its place, and it was written too
		return 0, true
	case s.Restored && ledger.Outcome(s.Outcomes[r.index]) == ledger.Rejected:
		return 0, true // PostgreSQL says again why
	}
	switch o := ledger.Outcome(s.Outcomes[r.index]); o {
	case ledger.Rejected, ledger.Cancelled, ledger.Discarded:
		return o, true
	default:
		return 0, true
	}
}

// state tells the ledger what became of the batches.
func (g *group) state(ctx context.Context, tx pgx.Tx) error {
	statements := g.statements()
	if !g.elsewhere() {
		if err := g.record(ctx, tx, g.asBefore(statements)); err != nil {
			return err
		}
	}
	if g.replay == nil {
		return nil
	}
	replayed := make([]ledger.Replayed, len(statements))
	for i, w := range statements {
		replayed[i] = ledger.Replayed{
			Sequence: g.replay.sequences[i], Type: g.typ, Unstated: g.elsewhere() && g.replay.stated[i] == nil,
			Resources: int64(len(w.Outcomes)), Counts: w.Counts,
		}
	}
	return ledger.RecordReplayed(ctx, tx, g.replay.ID, replayed)
}

// forces reports whether a row is written although its very version is there.
func (g *group) forces(r *row, h held) bool {
	return g.replay != nil && g.replay.Force && !r.Deleted && !h.tombstone
}

// force writes rows again whose version is there, and no other. They are updated where their
// content was another, and repeated where it was the same. Rows that changed since they were
// asked for are returned.
func force(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
	return inPieces(ctx, tx, g, rows, forcePiece)
}

func forcePiece(ctx context.Context, tx pgx.Tx, g *group, rows []*row) (missed []*row, err error) {
	changed := make(map[string]bool, len(rows))
	params := append(append(g.versionColumnsOf(rows), g.contentColumnsOf(rows)...), bodyColumn(rows))
	err = query(ctx, tx, `UPDATE `+quoted(g.dataset, g.table)+` AS t
		SET supplier = coalesce(t.supplier, u.supplier), import = coalesce(t.import, u.import), subsetted = u.subsetted, hash = u.hash,
			resource = u.resource::jsonb, written = now(),
			changed = CASE WHEN t.resource IS DISTINCT FROM u.resource::jsonb THEN pg_current_xact_id() ELSE t.changed END
		FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::uuid[], $9::bool[], $10::uuid[], $11::text[])
			AS u(id, stamp, issued, file, line, entry, supplier, import, subsetted, hash, resource)
		WHERE t.id = u.id AND (t.stamp, t.issued, t.file, t.line, t.entry) = (u.stamp, u.issued, u.file, u.line, u.entry)
		RETURNING t.id, t.changed = pg_current_xact_id()`,
		params, func(values [][]byte) { changed[string(values[0])] = values[1][0] != 0 })
	if err != nil {
		return nil, fmt.Errorf("write %s again: %w", g.table, err)
	}
	for _, r := range rows {
		was, there := changed[string(r.ID)]
		switch {
		case !there:
			missed = append(missed, r)
		case was:
			g.settle(r, ledger.Updated)
		default:
			g.repeat(r)
		}
	}
	return missed, nil
}
