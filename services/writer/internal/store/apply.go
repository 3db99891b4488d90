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

// fate is what is to be done with a row.
type fate int

const (
	unknown  fate = iota
	fresh         // nothing is there: COPY
	revived       // only an older tombstone is there
	covered       // an older tombstone is there, and a row that was inserted by hand
	newer         // an older version with other content is there
	moved         // an older version with equal content is there: the version moves
	deleted       // a deletion of what is there or is not known
	redated       // a deletion of what an older deletion deleted
	forced        // the same version is there and is to be written again
	repeated      // the same version is there
	lost          // something greater is there
	fates
)

// plan are rows by what is to be done with them.
type plan [fates][]*row

// apply brings rows into their table. So many of their keys are asked for first, see [guess]; 0 is all at once.
func apply(ctx context.Context, tx pgx.Tx, g *group, rows []*row, sample int) error {
	pending, err := guess(ctx, tx, g, g.winners(rows), sample)
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

// fate compares a row with what its key has.
func (g *group) fate(r *row, found map[string]held) fate {
	h, ok := found[string(r.ID)]
	switch {
	case !ok && r.Deleted:
		return deleted
	case !ok:
		return fresh
	case r.version == h.version && g.forces(r, h):
		return forced
	case r.version == h.version:
		return repeated
	case compareRank(r.Subsetted, r.version, h.subsetted, h.version) < 0:
		return lost
	case r.Deleted && h.tombstone && !h.covered:
		return redated
	case r.Deleted:
		return deleted
	case h.covered:
		return covered
	case h.tombstone:
		return revived
	case h.hashed && h.hash == r.Hash && h.subsetted == r.Subsetted:
		return moved
	default:
		return newer
	}
}

// decide sorts rows by what is to be done with them, and settles those with nothing to do.
func decide(g *group, rows []*row, found map[string]held) plan {
	var p plan
	for _, r := range rows {
		r.conflict, r.foreign = false, false // it may have been asked for before
		f := g.fate(r, found)
		h, ok := found[string(r.ID)]
		switch {
		case f == repeated:
			g.repeat(r)
			continue
		case f == lost:
			g.lose(r, h)
			continue
		case ok && f != forced:
			r.conflict, r.foreign = g.conflicts(r, h), h.foreign
		}
		p[f] = append(p[f], r)
	}
	return p
}

// execute does what is planned and returns the rows that must be asked for again.
func execute(ctx context.Context, tx pgx.Tx, g *group, p plan) (again []*row, err error) {
	if err := bury(ctx, tx, g, p[deleted], ledger.Deleted); err != nil {
		return nil, err
	}
	if err := bury(ctx, tx, g, p[redated], ledger.Unchanged); err != nil {
		return nil, err
	}
	if err := unbury(ctx, tx, g, append(p[revived], p[covered]...)); err != nil {
		return nil, err
	}
	if err := insert(ctx, tx, g, p[fresh], ledger.Inserted); err != nil {
		return nil, err
	}
	if err := insert(ctx, tx, g, p[revived], ledger.Revived); err != nil {
		return nil, err
	}
	missed, err := move(ctx, tx, g, p[moved])
	if err != nil {
		return nil, err
	}
	again = append(again, missed...)
	if missed, err = force(ctx, tx, g, p[forced]); err != nil {
		return nil, err
	}
	again = append(again, missed...)
	missed, err = update(ctx, tx, g, append(p[newer], p[covered]...))
	if err != nil {
		return nil, err
	}
	return append(again, missed...), nil
}
