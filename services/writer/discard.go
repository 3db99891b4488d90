package writer

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/writer/internal/store"
)

// Discarded says what a discard did, or would do.
type Discarded = store.Discarded

// Discard undoes an import, or its file of a name or an index where file is not "", as if it had never
// come; what comes of it later counts as discarded. A rehearsal changes nothing and tells what would be
// done. Errors: ledger.ErrNotFound; ledger.ErrState where it has not ended, or where without a history
// it cannot be undone, with the number of resources that stand against it.
func Discard(ctx context.Context, pool *pgxpool.Pool, id fhirmsg.ImportID, file string, rehearse bool) (Discarded, error) {
	return store.Discard(ctx, pool, id, file, rehearse)
}
