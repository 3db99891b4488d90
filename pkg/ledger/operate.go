package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// ErrState is returned for what an import's state does not allow.
var ErrState = errors.New("the import's state does not allow that")

// Cancel ends an import: nothing more is fetched, and what is queued is not stored but
// counted as cancelled. What was stored stays. Errors: [ErrNotFound], [ErrState].
func (l *Ledger) Cancel(ctx context.Context, id fhirmsg.ImportID) error {
	return l.move(ctx, id, cancelImport)
}

const cancelImport = `UPDATE stoker.import SET state = 'cancelled', ended = clock_timestamp()
	WHERE id = $1 AND state IN ('accepted', 'fetching', 'draining', 'paused')`

// Pause stops fetching; what is queued is still stored. Errors: [ErrNotFound], [ErrState].
func (l *Ledger) Pause(ctx context.Context, id fhirmsg.ImportID) error {
	return l.move(ctx, id, `UPDATE stoker.import SET state = 'paused' WHERE id = $1 AND state IN ('accepted', 'fetching')`)
}

func (l *Ledger) move(ctx context.Context, id fhirmsg.ImportID, sql string) error {
	tag, err := l.pool.Exec(ctx, sql, [16]byte(id))
	if err != nil {
		return fmt.Errorf("import %s: %w", id, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	var state State
	if err := l.pool.QueryRow(ctx, `SELECT state FROM stoker.import WHERE id = $1`, [16]byte(id)).Scan(&state); err != nil {
		return fmt.Errorf("import %s: %w", id, notFound(err))
	}
	return refuse(ErrState, "import %s is %s", id, state)
}

// Resume makes a paused or interrupted import ready to be fetched again and returns the
// request to publish for it. An import that is draining needs no request: publish is
// false, and running services finish it. An import that was paused since too much of it was
// rejected goes on without a limit. Errors: [ErrNotFound], [ErrState].
func (l *Ledger) Resume(ctx context.Context, id fhirmsg.ImportID) (req fhirmsg.ImportRequest, publish bool, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var state State
		if err := tx.QueryRow(ctx, `SELECT state, request, attempt FROM stoker.import WHERE id = $1 FOR UPDATE`,
			[16]byte(id)).Scan(&state, &req, &req.Attempt); err != nil {
			return notFound(err)
		}
		switch state {
		case StateDraining:
			return nil
		case StatePaused, StateAccepted, StateFetching:
		case StateComplete, StateFailed, StateCancelled:
			return refuse(ErrState, "it is %s, and only one that is paused or was interrupted goes on", state)
		}
		req.Attempt++
		publish = true
		_, err := tx.Exec(ctx, `UPDATE stoker.import SET state = 'accepted', attempt = $2,
			reason = CASE WHEN limited IS NULL THEN reason ELSE '' END WHERE id = $1`, [16]byte(id), req.Attempt)
		return err
	})
	if err != nil {
		return req, false, fmt.Errorf("resume import %s: %w", id, err)
	}
	return req, publish, nil
}
