package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// errAgain ends a transaction that is to be begun again: others changed the same keys so
// often that asking again did not help.
var errAgain = errors.New("keys are changing too fast")

// rounds is how often keys that matched nothing are asked for again in one transaction.
const rounds = 5

// plan sorts rows by what is to be done with them.
type plan struct {
	fresh   []*row // nothing is there: COPY
	revived []*row // only an older tombstone is there
	covered []*row // an older tombstone is there, and a row that was inserted by hand
	newer   []*row // an older version with other content is there
	moved   []*row // an older version with equal content is there: the version moves
	deleted []*row // deletions of what is there or is not known
	redated []*row // deletions of what an older deletion deleted
	forced  []*row // the same version is there and is to be written again
}

// apply brings rows into their table. They are expected to turn out as guessed, 0 for no guess.
func apply(ctx context.Context, tx pgx.Tx, g *group, rows []*row, guessed ledger.Outcome) error {
	pending, err := presume(ctx, tx, g, g.winners(rows), guessed)
	if err != nil {
		return err
	}
	for range rounds {
		if len(pending) == 0 {
			return nil
		}
		found, err := probe(ctx, tx, g, pending)
		if err != nil {
			return err
		}
		if err := rememberByHand(ctx, tx, g, pending, found); err != nil {
			return err
		}
		if pending, err = execute(ctx, tx, g, decide(g, pending, found)); err != nil {
			return err
		}
	}
	if len(pending) > 0 {
		return errAgain
	}
	return nil
}

// decide compares each row with what its key has, and settles those with nothing to do.
func decide(g *group, rows []*row, found map[string]held) plan {
	var p plan
	for _, r := range rows {
		r.conflict, r.foreign = false, false // it may have been asked for before
		h, ok := found[string(r.ID)]
		if !ok {
			if r.Deleted {
				p.deleted = append(p.deleted, r)
			} else {
				p.fresh = append(p.fresh, r)
			}
			continue
		}
		if r.version == h.version {
			if g.forces(r, h) {
				p.forced = append(p.forced, r)
				continue
			}
			g.repeat(r)
			continue
		}
		if compareRank(r.Subsetted, r.version, h.subsetted, h.version) < 0 {
			g.lose(r, h)
			continue
		}
		r.conflict, r.foreign = g.conflicts(r, h), h.foreign
		switch {
		case r.Deleted && h.tombstone && !h.covered:
			p.redated = append(p.redated, r)
		case r.Deleted:
			p.deleted = append(p.deleted, r)
		case h.covered:
			p.covered = append(p.covered, r)
		case h.tombstone:
			p.revived = append(p.revived, r)
		case h.hashed && h.hash == r.Hash && h.subsetted == r.Subsetted:
			p.moved = append(p.moved, r)
		default:
			p.newer = append(p.newer, r)
		}
	}
	return p
}

// execute does what is planned and returns the rows that must be asked for again.
func execute(ctx context.Context, tx pgx.Tx, g *group, p plan) (again []*row, err error) {
	if err := bury(ctx, tx, g, p.deleted, ledger.Deleted); err != nil {
		return nil, err
	}
	if err := bury(ctx, tx, g, p.redated, ledger.Unchanged); err != nil {
		return nil, err
	}
	if err := unbury(ctx, tx, g, append(p.revived, p.covered...)); err != nil {
		return nil, err
	}
	if err := insert(ctx, tx, g, p.fresh, ledger.Inserted); err != nil {
		return nil, err
	}
	if err := insert(ctx, tx, g, p.revived, ledger.Revived); err != nil {
		return nil, err
	}
	missed, err := move(ctx, tx, g, p.moved)
	if err != nil {
		return nil, err
	}
	again = append(again, missed...)
	if missed, err = force(ctx, tx, g, p.forced); err != nil {
		return nil, err
	}
	again = append(again, missed...)
	missed, err = update(ctx, tx, g, append(p.newer, p.covered...))
	if err != nil {
		return nil, err
	}
	return append(again, missed...), nil
}
