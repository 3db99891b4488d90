package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// dataError returns the error of PostgreSQL if it is about the data: a value it cannot hold,
// a limit of the program, or a constraint that someone put on the table. Invariant 5: such a
// resource is rejected alone. nil is any other error.
func dataError(err error, table string) *pgconn.PgError {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return nil
	}
	switch {
	case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "54"):
		return pg
	case strings.HasPrefix(pg.Code, "23") && pg.ConstraintName != table+"_pkey" && pg.ConstraintName != tombstoneTable+"_pkey":
		return pg
	}
	return nil
}

// errUndo ends a transaction that was only a test.
var errUndo = errors.New("undo")

// isolate adds to refused the rows of a group that PostgreSQL refuses, found by halves in
// transactions that are all rolled back. It looks at those that the attempt before wanted to
// store: another one, as of a cancelled import, might be newer and hide what is refused. found is
// false where PostgreSQL refuses none by itself.
func (s *Store) isolate(ctx context.Context, g *group, refused map[position]*pgconn.PgError) (found bool, err error) {
	var search func(rows []*row) error
	search = func(rows []*row) error {
		err := s.rehearse(ctx, g, rows)
		bad := dataError(err, g.table)
		switch {
		case err == nil:
			return nil
		case bad == nil:
			return err
		case len(rows) == 1:
			refused[rows[0].position()], found = bad, true
			return nil
		}
		half := len(rows) / 2
		if err := search(rows[:half]); err != nil {
			return err
		}
		return search(rows[half:])
	}
	return found, search(slices.DeleteFunc(slices.Clone(g.rows), func(r *row) bool { return !r.wanted }))
}

// rehearse applies rows and undoes it.
func (s *Store) rehearse(ctx context.Context, g *group, rows []*row) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if err := lock(ctx, tx, g); err != nil {
				return err
			}
			if err := save(ctx, tx, g, slices.Clone(rows), 0); err != nil {
				return err
			}
			return errUndo
		})
		switch {
		case errors.Is(err, errUndo):
			return nil
		case dataError(err, g.table) == nil && isRace(err) && attempt < attempts:
			continue
		}
		return err
	}
}

// reject is what the ledger keeps of a refused row. PostgreSQL's message may quote the
// data, so it is not part of it.
func (g *group) reject(r *row, bad *pgconn.PgError) fhirmsg.Reject {
	what := "PostgreSQL cannot hold this resource"
	if bad.ConstraintName != "" {
		what = "a constraint of the table refuses this resource: " + bad.ConstraintName
	}
	// What was rewritten cannot be put through again: it would be rewritten a second time.
	return fhirmsg.Reject{
		Cut:  len(r.OriginalID) > 0,
		Line: r.Line, Entry: r.Entry, Offset: g.batches[r.batch].Offset, Type: g.typ, ID: string(r.ID), Raw: r.Body,
		Issues: []fhirmsg.Issue{{Severity: "error", Code: "processing", Diagnostics: what + " (SQLSTATE " + bad.Code + ")"}},
	}
}
