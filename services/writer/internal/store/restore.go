package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// restored reports whether the statement of a row's batch is from before the database was restored.
func (g *group) restored(batch int) bool {
	return g.replay != nil && g.replay.stated[batch] != nil && g.replay.stated[batch].Restored
}

// asBefore puts in the place of statements what was said of the same batches before the
// database was restored: what is an update now may have been one of something else. What was
// discarded since stays so.
func (g *group) asBefore(statements []ledger.Written) []ledger.Written {
	statements = slices.Clone(statements)
	for i := range statements {
		if !g.restored(i) {
			continue
		}
		w, before := &statements[i], g.replay.stated[i]
		discarded := slices.Contains(w.Outcomes, byte(ledger.Discarded))
		w.Counts = ledger.Counts{Conflicts: before.Conflicts, Foreign: before.Foreign}
		if discarded {
			w.Counts.Conflicts, w.Counts.Foreign = 0, 0
		}
		outcomes := slices.Clone(before.Outcomes)
		for j := range outcomes {
			if w.Outcomes[j] == byte(ledger.Discarded) {
				outcomes[j] = byte(ledger.Discarded)
			}
			w.Counts.Add(ledger.Outcome(outcomes[j]))
		}
		w.Outcomes = outcomes
	}
	return statements
}

// record states batches, and keeps for who publishes it what the ledger says of them: where they were stated
// before, as when a batch is delivered again, that stands. What a replay states was published, or can be found
// out again.
func (g *group) record(ctx context.Context, tx pgx.Tx, statements []ledger.Written) error {
	fresh, err := ledger.RecordWritten(ctx, tx, statements)
	if err != nil {
		return err
	}
	if g.replay != nil {
		return ledger.ForgetRestored(ctx, tx, g.headers())
	}
	g.said = statements
	if !slices.Contains(fresh, false) {
		return nil
	}
	stated, err := ledger.StatedOf(ctx, tx, g.headers())
	if err != nil {
		return err
	}
	g.said = slices.Clone(statements)
	for i, s := range stated {
		if s != nil && s.Outcomes != nil {
			g.said[i].Outcomes, g.said[i].Counts.Conflicts, g.said[i].Counts.Foreign = s.Outcomes, s.Conflicts, s.Foreign
		}
	}
	return nil
}

func (g *group) headers() []fhirmsg.BatchHeader {
	headers := make([]fhirmsg.BatchHeader, len(g.batches))
	for i, b := range g.batches {
		headers[i] = b.BatchHeader
	}
	return headers
}
