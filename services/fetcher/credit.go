package fetcher

import (
	"context"
	"fmt"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/lifecycle"
)

// The least and most time between two looks at what a supplier has on its way, where it has about as much as it may. A look that takes
// long is followed by a longer pause.
const (
	lookEvery = 100 * time.Millisecond
	lookMost  = 5 * time.Second
)

// stalledAfter is how long nothing may move before an import says that it waits. Waiting itself
// is no news: whenever writers are the slowest part, fetchers wait for credit.
const stalledAfter = 5 * time.Second

// credit holds a supplier to the bytes that it may have on their way, from the publication of a
// chunk to the commit of what is in it, so that no backlog of one supplier fills the queues for
// all (invariant 6). What is on its way is read from the ledger, so it outlives fetchers
// and needs no agreement between them. Imports of one supplier that are fetched at the same
// time, and files of one that are, may pass the limit together, by an eighth of it each. It is for the goroutine that
// publishes a file's chunks.
type credit struct {
	ledger    *ledger.Ledger
	imp       fhirmsg.Import
	limit     int64
	allowance *allowance // of the import as a whole

	granted int64 // bytes that may be published before the next look
	onWay   int64 // bytes, at the last look
	looked  time.Time
	pause   time.Duration // until the next look

	moved time.Time // while waiting: when anything moved last
	told  string    // what the ledger says that the import waits for
}

func newCredit(f *fetcher, imp fhirmsg.Import, a *allowance) *credit {
	return &credit{ledger: f.ledger, imp: imp, limit: f.cfg.Credit, allowance: a, told: unknown}
}

// unknown is what the ledger says after an earlier attempt that did not end as it should.
const unknown = "?"

// spend takes bytes from what was granted, if that is enough.
func (c *credit) spend(bytes int64) bool {
	if c.granted < bytes {
		return false
	}
	c.granted -= bytes
	return true
}

// look asks the ledger what is on its way and grants what is left for a chunk of so many bytes.
// unstated are bytes that were published and are not in the ledger yet. Where nothing is on its
// way the chunk passes, however large it is.
func (c *credit) look(ctx context.Context, bytes, unstated int64) error {
	start := time.Now()
	onWay, err := c.ledger.Outstanding(ctx, c.imp.Supplier)
	if err != nil {
		return err
	}
	c.looked = time.Now()
	took := c.looked.Sub(start)
	c.pause = lifecycle.Rest(took, lookEvery, lookMost)
	if onWay != c.onWay {
		c.moved = c.looked
	}
	c.onWay = onWay
	switch left := c.limit - onWay - unstated; {
	case left >= bytes:
		c.granted = max(bytes, min(left, c.limit/8))
		if left > c.limit/8 {
			c.pause = took // one look for each eighth that is published; those who store it are not to wait for the next
		}
	case onWay+unstated == 0:
		c.granted = bytes
	}
	return nil
}

// wait waits until the next look is due.
func (c *credit) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(c.looked.Add(c.pause)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// used says what is waited for where the credit is used up.
func (c *credit) used() string {
	return fmt.Sprintf("%.0f MiB of supplier %s are on their way and not stored, which is all that its credit allows",
		float64(c.onWay)/(1<<20), c.imp.Supplier)
}

// begin marks the beginning of a wait.
func (c *credit) begin() { c.moved = time.Now() }

// stalled says in the ledger what an import waits for, if nothing moved for long; goesOn takes
// that back.
func (c *credit) stalled(ctx context.Context, what string) error {
	if time.Since(c.moved) < stalledAfter || c.told == what {
		return nil
	}
	c.told = what
	return c.ledger.SetWaiting(ctx, c.imp.ID, ledger.Waiting{For: what, Since: c.moved})
}

func (c *credit) goesOn(ctx context.Context) error {
	if c.told == "" {
		return nil
	}
	c.told = ""
	return c.ledger.SetWaiting(ctx, c.imp.ID, ledger.Waiting{Since: time.Now()})
}
