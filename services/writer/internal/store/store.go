package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Store writes to the datasets of one database.
type Store struct {
	pool *pgxpool.Pool

	mu    sync.Mutex
	known map[string]bool // tables that exist, by their quoted names

	doubts  doubts
	sampled int // how many of a group's keys are asked for first
}

// New makes a Store over a pool, which stays the caller's to close.
func New(pool *pgxpool.Pool) *Store {
	return &Store{pool: pool, known: map[string]bool{}, sampled: sampled}
}

// Result says what a write did.
type Result struct {
	Counts  ledger.Counts
	Retries int              // transactions that were begun again
	Stated  []ledger.Written // what the ledger says of each batch, to be published; nil of a replay
}

// attempts is how often a transaction that met another writer is begun again before the
// error is shown. Each attempt sees what the other committed, so a few do.
const attempts = 25

// Write stores batches, all of one type for one dataset, in one transaction with their
// statements. Errors are those of the database; the caller tries again later. A body that
// cannot be decoded is [fhirmsg.ErrRecord]. While somebody has the dataset to itself it is [ledger.ErrLocked], at once.
func (s *Store) Write(ctx context.Context, batches []fhirmsg.Batch) (Result, error) {
	g, err := newGroup(batches)
	if err != nil {
		return Result{}, err
	}
	return s.write(ctx, g)
}

func (s *Store) write(ctx context.Context, g *group) (Result, error) {
	var result Result
	var err error
	table := quoted(g.dataset, g.table)
	sample := s.sampled
	if s.doubts.about(table) {
		sample = 0
	}
	refused := map[position]*pgconn.PgError{}
	for attempt := 1; ; attempt++ {
		if err = s.try(ctx, g, refused, sample); err == nil {
			break
		}
		if errors.Is(err, errNothingToDo) {
			return result, nil
		}
		if errors.Is(err, ledger.ErrLocked) {
			return result, err
		}
		race := isRace(err)
		if g.unasked && isDuplicate(err, g.table) {
			s.doubts.add(table)
		}
		sample = 0 // what was refused may have been copied only since it was not asked for
		if dataError(err, g.table) != nil {
			found, isolateErr := s.isolate(ctx, g, refused)
			if isolateErr != nil {
				return result, isolateErr
			}
			if found {
				continue
			}
			race = true // none is refused by itself: another writer stored something newer meanwhile
		}
		if !race || attempt >= attempts {
			return result, fmt.Errorf("write %s to dataset %s: %w", g.typ, g.dataset, err)
		}
		if isGone(err) {
			s.forget(g.dataset, g.table)
		}
		result.Retries++
		// Two writers that meet twice would meet again if both came back at once.
		if err := pause(ctx, time.Duration(rand.Int64N(int64(attempt)*int64(2*time.Millisecond)))); err != nil {
			return result, err
		}
	}
	result.Stated = g.said
	for _, w := range g.statements() {
		result.Counts.Plus(w.Counts)
	}
	if g.unasked {
		s.doubts.remove(table)
	}
	return result, nil
}

// try stores the group but for what was refused. So many keys are asked for first.
func (s *Store) try(ctx context.Context, g *group, refused map[position]*pgconn.PgError, sample int) error {
	if err := s.ensure(ctx, g.dataset, g.table); err != nil {
		return err
	}
	g.reset()
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, g); err != nil {
			return err
		}
		standing, err := ledger.EnsureImport(ctx, tx, g.dataset, g.imports)
		if err != nil {
			return err
		}
		g.history = standing.History
		fates := g.fates(standing)
		if err := g.read(ctx, tx); err != nil {
			return err
		}
		rows := make([]*row, 0, len(g.rows))
		for _, r := range g.rows {
			bad := refused[r.position()]
			out, stated := g.stated(r)
			switch {
			case out != 0:
				g.settle(r, out)
			case fates[r.batch] == ledger.Discarded, fates[r.batch] == ledger.Cancelled && !stated:
				g.settle(r, fates[r.batch])
			case bad != nil && stated && !g.restored(r.batch):
				g.settle(r, ledger.Rejected)
			case bad != nil:
				g.settle(r, ledger.Rejected)
				if err := ledger.RecordReject(ctx, tx, g.importOf(r).ID, r.version.File, g.reject(r, bad)); err != nil {
					return err
				}
			default:
				r.wanted = true
				rows = append(rows, r)
			}
		}
		if err := g.mention(ctx, tx, standing, rows); err != nil {
			return err
		}
		if err := save(ctx, tx, g, rows, sample); err != nil {
			return err
		}
		if err := g.resolve(ctx, tx); err != nil {
			return err
		}
		return g.state(ctx, tx)
	})
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// SQLSTATE codes, see https://www.postgresql.org/docs/15/errcodes-appendix.html.
const (
	codeUniqueViolation      = "23505"
	codeSerializationFailure = "40001"
	codeDeadlock             = "40P01"
	codeNoLock               = "55P03"
	codeUndefinedTable       = "42P01"
	codeInvalidSchema        = "3F000"
)

// isRace tells errors that come of other writers at work, which a new attempt does not see.
func isRace(err error) bool {
	if errors.Is(err, errAgain) || isGone(err) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case codeUniqueViolation, codeSerializationFailure, codeDeadlock:
		return true
	}
	return false
}

// isDuplicate tells that a key was there already.
func isDuplicate(err error, table string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == codeUniqueViolation && pg.ConstraintName == table+"_pkey"
}

// isGone tells that a table was dropped since it was seen.
func isGone(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == codeUndefinedTable || pg.Code == codeInvalidSchema)
}
