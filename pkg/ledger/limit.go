package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger/diagnosis"
)

// limitRejects looks whether more of an import is rejected than its request allows. That is
// noticed once: an import that is still fetched is paused, with the reason and a guess at the
// cause; when it is resumed, it goes on without a limit. One that was read to its end has
// nothing to pause, and only says so. The caller holds the import's row lock.
func limitRejects(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID, state State) (State, error) {
	var text string
	var entries, rejected, seen int64
	err := tx.QueryRow(ctx, `SELECT i.request->>'max_rejects', p.entries, p.rejected, p.seen
		FROM stoker.import i, LATERAL (
			SELECT coalesce(sum(entries), 0)::bigint AS entries,
				coalesce(sum(rejected + entries_rejected), 0)::bigint AS rejected,
				coalesce(sum(plain + rejected + entries), 0)::bigint AS seen
			FROM stoker.parsed WHERE import = i.id) p
		WHERE i.id = $1 AND i.limited IS NULL AND i.request->>'max_rejects' <> 'off'`, [16]byte(id)).Scan(&text, &entries, &rejected, &seen)
	if errors.Is(err, pgx.ErrNoRows) {
		return state, nil // it has no limit, or was limited before
	}
	if err != nil {
		return state, err
	}
	limit, err := fhirmsg.ParseRejectLimit(text)
	if err != nil {
		return state, err
	}
	if !limit.Passed(rejected, seen) {
		return state, nil
	}
	kinds, _, err := issueKinds(ctx, tx, id)
	if err != nil {
		return state, err
	}
	samples, err := rejectedSamples(ctx, tx, id)
	if err != nil {
		return state, err
	}
	what := "lines"
	if entries > 0 {
		what = "lines and entries of Bundles"
	}
	reason := fmt.Sprintf("%s of %s %s were rejected (limit %s)", thousands(rejected), thousands(seen), what, shown(limit))
	if state == StateDraining {
		reason += " when all had been read already, so it was not paused"
	}
	reason += "."
	if cause := diagnosis.Of(counts(kinds), samples); cause != "" {
		reason += " " + cause
	}
	if state != StateDraining {
		reason += fmt.Sprintf(" Resume with: stoker import --resume %s; end with: stoker cancel %s", id, id)
		state = StatePaused
	}
	_, err = tx.Exec(ctx, `UPDATE stoker.import SET limited = clock_timestamp(), state = $2, reason = $3 WHERE id = $1`,
		[16]byte(id), string(state), reason)
	return state, err
}

// sampled is how many rejected lines are looked at, and sampleBytes how much of each.
const (
	sampled     = 50
	sampleBytes = 256
)

func rejectedSamples(ctx context.Context, tx pgx.Tx, id fhirmsg.ImportID) ([][]byte, error) {
	rows, err := tx.Query(ctx, `SELECT substring(raw FOR $3) FROM stoker.reject
		WHERE import = $1 AND NOT stored AND entry = 0 ORDER BY file, line LIMIT $2`, [16]byte(id), sampled, sampleBytes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[[]byte])
}

func counts(kinds []IssueKind) []diagnosis.Count {
	list := make([]diagnosis.Count, len(kinds))
	for i, k := range kinds {
		list[i] = diagnosis.Count{Code: k.Code, Expression: k.Expression, Count: k.Count}
	}
	return list
}

// shown is a limit for people.
func shown(l fhirmsg.RejectLimit) string { return strings.Replace(l.String(), "%", " %", 1) }

// thousands writes a number with separators.
func thousands(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
