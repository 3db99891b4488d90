package ledger

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestDroppedAfterItsImports: a drop is later than all imports that were accepted before, also where the clock of imports is ahead.
func TestDroppedAfterItsImports(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	_, err := l.pool.Exec(t.Context(), `UPDATE stoker.clock SET last = clock_timestamp() + interval '1 hour'`)
	check(t, err)
	imp := l.mustAccept(t, newRequest(t))
	check(t, l.Cancel(t.Context(), imp.ID))
	check(t, pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error { return DropDataset(t.Context(), tx, imp.Dataset) }))
	if at, err := l.DroppedAt(t.Context(), imp.Dataset); err != nil || at.UnixMicro() < imp.Issued {
		t.Errorf("dropped at %s, before an import of %d; %v", at, imp.Issued, err)
	}
}
